//! What all credentials tell the contract, said once.

/// Makes a type with `of(&Request) -> Result<Self, Failure>` a parameter of handlers. The contract shows that one of the named
/// [`Schemes`](super::Schemes) is needed; after `or customer_id` also that the query may name a customer, whence the parameter's name.
macro_rules! shown {
    (@common $a:lifetime, $($scheme:ident)|+) => {
        type ParamType = ();
        type ParamRawType = ();

        fn register(registry: &mut poem_openapi::registry::Registry) {
            $crate::extractors::Schemes::register(registry);
        }

        fn security_schemes() -> Vec<&'static str> {
            vec![$($crate::extractors::Schemes::$scheme),+]
        }

        async fn from_request(
            req: &$a poem::Request,
            _: &mut poem::RequestBody,
            _: poem_openapi::ExtractParamOptions<()>,
        ) -> poem::Result<Self> {
            Ok(Self::of(req).await?)
        }
    };
    ($who:ty, with $($scheme:ident)|+ $(, for $p:ident: $bound:ident)?) => {
        impl<'a $(, $p: $bound)?> poem_openapi::ApiExtractor<'a> for $who {
            const TYPES: &'static [poem_openapi::ApiExtractorType] = &[poem_openapi::ApiExtractorType::SecurityScheme];

            $crate::extractors::shown::shown!(@common 'a, $($scheme)|+);
        }
    };
    ($who:ty, with $($scheme:ident)|+, or customer_id $(, for $p:ident: $bound:ident)?) => {
        impl<'a $(, $p: $bound)?> poem_openapi::ApiExtractor<'a> for $who {
            const TYPES: &'static [poem_openapi::ApiExtractorType] =
                &[poem_openapi::ApiExtractorType::SecurityScheme, poem_openapi::ApiExtractorType::Parameter];

            $crate::extractors::shown::shown!(@common 'a, $($scheme)|+);

            fn param_in() -> Option<poem_openapi::registry::MetaParamIn> {
                Some(poem_openapi::registry::MetaParamIn::Query)
            }

            fn param_schema_ref() -> Option<poem_openapi::registry::MetaSchemaRef> {
                Some(<uuid::Uuid as poem_openapi::types::Type>::schema_ref())
            }
        }
    };
}
pub(super) use shown;
