-- Run once by the Postgres image, as its superuser, in the database `omniops` when the data folder is new.
--
-- Two logins. `omniops_migrator` owns the database and runs `omniops migrate`: CREATEROLE and BYPASSRLS are what the
-- migrations need to make the roles omniops_owner, omniops_app and omniops_system. `omniops` is what api and worker use: it has
-- no rights of its own, and the migrations make it a member of omniops_app and omniops_system.

\set ON_ERROR_STOP on
\getenv migrator_password OMNIOPS_MIGRATOR_PASSWORD
\getenv login_password OMNIOPS_DB_PASSWORD

CREATE ROLE omniops_migrator LOGIN CREATEROLE BYPASSRLS PASSWORD :'migrator_password';
CREATE ROLE omniops LOGIN PASSWORD :'login_password';

ALTER DATABASE omniops OWNER TO omniops_migrator;
REVOKE ALL ON DATABASE omniops FROM PUBLIC;
GRANT CONNECT ON DATABASE omniops TO omniops;

-- pgvector is no trusted extension: only a superuser can add it. pg_trgm is, and the migrations add it.
CREATE EXTENSION IF NOT EXISTS vector;
