//! Whether the schema keeps customers apart, read from the database's own catalogue: `omniops migrate` fails and `omniops doctor`
//! tells where it does not.
//!
//! Each query gives sentences about what is wrong. Objects of extensions are left out: they hold no customer's data. What this
//! can't see is what a statement does that we wrote ourselves as `omniops_system`; `domain::tenancy` keeps the list of those.
use sea_orm_migration::sea_orm::{ConnectionTrait, DbErr, Statement};

/// Tables that every customer may read and none may write: names of embedding models, and what holds queues back.
const SHARED: &str = "'embedding_models', 'queue_controls'";
/// Tables whose rows nobody may change or remove.
const APPEND_ONLY: &str = "'audit_logs', 'audit_chain', 'audit_checkpoints'";

/// Tables of the schema with what is known of them; `mine` are objects that no extension has made.
const WITH: &str = "WITH app AS (SELECT oid FROM pg_roles WHERE rolname = 'omniops_app'),
  mine AS (SELECT c.* FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname <> 'seaql_migrations'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')),
  tables AS (SELECT * FROM mine WHERE relkind IN ('r', 'p')),
  functions AS (SELECT p.* FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')),
  policies AS (SELECT c.relname, p.*, translate(pg_get_expr(p.polqual, p.polrelid), E' \\n', '') AS sees,
      translate(pg_get_expr(p.polwithcheck, p.polrelid), E' \\n', '') AS writes,
      EXISTS (SELECT FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
        WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid = to_regclass('customer_configs') AND a.attname = 'customer_id') AS dies
    FROM pg_policy p JOIN tables c ON c.oid = p.polrelid)";

/// The ways to say whose a row is, without spaces: by its customer, with whom it dies; by its customer, whom it may outlive; as the
/// customer itself; or nobody's.
const OWN: &str = "'(customer_id=(NULLIF(current_setting(''app.current_customer''::text,true),''''::text))::uuid)'";
const LASTING: &str = "'(customer_id=(SELECTcustomer_configs.idFROMcustomer_configsWHERE(customer_configs.id=(NULLIF(current_setting(''app.current_customer''::text,true),''''::text))::uuid)))'";
const ITSELF: &str = "'(id=(NULLIF(current_setting(''app.current_customer''::text,true),''''::text))::uuid)'";

/// The type of a trigger that fires for each row that is inserted or updated, when the policies have let it through.
const AFTER_WRITES: &str = "21";

/// A sentence for each thing that is wrong; `{…}` stand for the constants above.
const FAULTS: [&str; 18] = [
    "SELECT format('table %s: row-level security is not forced', relname) FROM tables WHERE NOT (relrowsecurity AND relforcerowsecurity)",
    "SELECT format('table %s: there is no policy `tenant` for all commands and roles', c.relname) FROM tables c WHERE NOT EXISTS (
       SELECT FROM policies p WHERE p.polrelid = c.oid AND p.polname = 'tenant' AND p.polcmd = '*' AND p.polpermissive AND p.polroles = '{0}')",
    "SELECT format('table %s: the policy `tenant` does not compare the customer: %s', p.relname, p.sees) FROM policies p WHERE p.polname = 'tenant'
       AND NOT coalesce(p.sees = ANY (CASE WHEN p.relname = 'customer_configs' THEN ARRAY[{ITSELF}]
         WHEN p.relname IN ({SHARED}) THEN ARRAY['true'] WHEN p.dies THEN ARRAY[{OWN}, 'false'] ELSE ARRAY[{LASTING}, 'false'] END), false)",
    "SELECT format('table %s: the policy `tenant` lets other rows be written than be seen: %s', relname, writes) FROM policies
       WHERE polname = 'tenant' AND writes IS DISTINCT FROM sees",
    // References are checked as the tables' owner, whom no policy holds, so that they must carry the customer themselves.
    "SELECT format('table %s: %s lets a row refer to one of another customer', k.conrelid::regclass, k.conname) FROM pg_constraint k
       JOIN pg_attribute mine ON mine.attrelid = k.conrelid AND mine.attname = 'customer_id'
       JOIN pg_attribute other ON other.attrelid = k.confrelid AND other.attname = 'customer_id'
       WHERE k.contype = 'f' AND NOT (mine.attnotnull AND k.convalidated
         AND EXISTS (SELECT FROM unnest(k.conkey, k.confkey) AS pair (here, there) WHERE (here, there) = (mine.attnum, other.attnum)))
       AND NOT EXISTS (SELECT FROM pg_trigger t JOIN pg_attribute a ON a.attrelid = k.conrelid AND k.conkey = ARRAY[a.attnum]
         WHERE t.tgrelid = k.conrelid AND t.tgfoid = to_regproc('same_customer') AND t.tgenabled = 'O' AND t.tgtype = {AFTER_WRITES} AND t.tgqual IS NULL
         AND t.tgargs = convert_to(k.confrelid::regclass::text, 'UTF8') || '\\x00' || convert_to(a.attname, 'UTF8') || '\\x00'
         AND (cardinality(t.tgattr) = 0 OR ARRAY[mine.attnum, a.attnum] <@ t.tgattr::int2[]))",
    "SELECT format('table %s: the policy `%s` shows more than `tenant`', relname, polname) FROM policies WHERE polpermissive AND polname <> 'tenant'
       AND polroles <> ARRAY(SELECT oid FROM pg_roles WHERE rolname = 'omniops_owner')",
    "SELECT format('table %s: %s may %s', c.relname, coalesce(r.rolname, 'everybody'), right_of.privilege_type || CASE WHEN right_of.is_grantable THEN ' and grant it' ELSE '' END)
       FROM tables c CROSS JOIN LATERAL (SELECT * FROM aclexplode(c.relacl)
         UNION ALL SELECT x.* FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid = c.oid AND a.attacl IS NOT NULL) right_of
       LEFT JOIN pg_roles r ON r.oid = right_of.grantee
       WHERE (right_of.grantee = 0 OR right_of.grantee IN (SELECT oid FROM app)) AND (right_of.grantee = 0 OR right_of.is_grantable
         OR right_of.privilege_type <> ALL (CASE WHEN c.relname IN ({SHARED}) THEN ARRAY['SELECT']
           WHEN c.relname IN ({APPEND_ONLY}) THEN ARRAY['SELECT', 'INSERT'] ELSE ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'] END))",
    "SELECT format('table %s: omniops_system may %s', c.relname, x.privilege_type) FROM tables c, aclexplode(c.relacl) x JOIN pg_roles r ON r.oid = x.grantee
       WHERE r.rolname = 'omniops_system' AND c.relname IN ({APPEND_ONLY}) AND x.privilege_type NOT IN ('SELECT', 'INSERT')",
    "SELECT format('%s %s: it stands outside of row-level security', CASE relkind WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'view' END, relname)
       FROM mine WHERE relkind IN ('m', 'f') OR (relkind = 'v' AND NOT coalesce(reloptions && ARRAY['security_invoker=true', 'security_invoker=on', 'security_invoker=1'], false))",
    "SELECT format('sequence %s: omniops_app may use it', relname) FROM mine
       WHERE CASE WHEN relkind = 'S' THEN has_sequence_privilege('omniops_app', oid, 'USAGE, SELECT, UPDATE') ELSE false END",
    "SELECT format('table %s: the rule %s rewrites statements', c.relname, w.rulename) FROM pg_rewrite w JOIN tables c ON c.oid = w.ev_class",
    "SELECT format('function %s: omniops_app may execute it as its owner', oid::regprocedure) FROM functions
       WHERE prosecdef AND has_function_privilege('omniops_app', oid, 'EXECUTE')",
    "SELECT format('function %s: %s', oid::regprocedure, CASE WHEN proleakproof THEN 'it is said to leak nothing' ELSE 'it runs as its owner on any search path' END)
       FROM functions WHERE proleakproof OR (prosecdef AND NOT coalesce(array_to_string(proconfig, ',') LIKE '%search_path=%', false))",
    "SELECT format('role %s: it may go around row-level security, log in or make roles or databases', rolname) FROM pg_roles
       WHERE (rolname = 'omniops_app' AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication OR rolcanlogin))
       OR (rolname = 'omniops_owner' AND (rolsuper OR rolbypassrls OR rolcanlogin)) OR (rolname = 'omniops_system' AND (rolsuper OR rolcreaterole OR rolcanlogin))",
    "SELECT format('role %s: it is a member of %s', m.member::regrole, m.roleid::regrole) FROM pg_auth_members m WHERE m.member IN (SELECT oid FROM app)",
    "SELECT format('role omniops_app: it owns %s', pg_describe_object(classid, objid, objsubid)) FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass
       AND refobjid IN (SELECT oid FROM app) AND deptype = 'o' AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))
     UNION ALL SELECT 'role omniops_app: it may make schemas' WHERE has_database_privilege('omniops_app', current_database(), 'CREATE')
     UNION ALL SELECT format('role omniops_app: it may make things in the schema %s', nspname) FROM pg_namespace
       WHERE nspname !~ '^pg_' AND has_schema_privilege('omniops_app', oid, 'CREATE')",
    "SELECT 'default privileges: omniops_app or everybody gets rights on what will be made' FROM pg_default_acl d, aclexplode(d.defaclacl) x
       WHERE x.grantee = 0 AND d.defaclobjtype <> 'f' OR x.grantee IN (SELECT oid FROM app)
     UNION ALL SELECT 'large objects: they stand outside of row-level security' WHERE EXISTS (SELECT FROM pg_largeobject_metadata)",
    // What others keep in schemas of their own is theirs, as long as the processes have no part in it.
    "SELECT format('table %s: it stands outside of the schema public, where nothing is looked at, and %s may use it', c.oid::regclass, r.rolname)
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname IN ('omniops_app', 'omniops_system')
       WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('public', 'information_schema') AND n.nspname !~ '^pg_'
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       AND has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE')",
];

/// What of the schema would let one customer reach another's rows, a sentence for each; nothing when all is well.
pub async fn faults(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let constants = [
        ("{SHARED}", SHARED),
        ("{APPEND_ONLY}", APPEND_ONLY),
        ("{OWN}", OWN),
        ("{LASTING}", LASTING),
        ("{ITSELF}", ITSELF),
        ("{AFTER_WRITES}", AFTER_WRITES),
    ];
    let mut found = Vec::new();
    for fault in FAULTS {
        let query = constants
            .iter()
            .fold(fault.to_owned(), |text, (name, value)| text.replace(name, value));
        let statement = Statement::from_string(db.get_database_backend(), format!("{WITH} {query}"));
        for row in db.query_all_raw(statement).await? {
            found.push(row.try_get_by_index(0)?);
        }
    }
    Ok(found)
}
