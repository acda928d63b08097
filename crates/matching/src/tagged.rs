//! Enums whose JSON is the variant's own with its name in front, as `type`.
//!
//! serde's `tag` attribute writes that, but reads any order of fields: it keeps the whole value in memory in a form of its
//! own and reads it from there, which took most of the time of reading the log. Here the type must come first, where the
//! canonical encoding has it, and the rest is read at once.

/// Makes such an enum; each variant has the name of its contents' type.
macro_rules! tagged {
    (
        $(#[$doc:meta])*
        pub enum $name:ident {
            $( $(#[$variant_doc:meta])* $variant:ident, )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
        #[serde(tag = "type")]
        pub enum $name {
            $( $(#[$variant_doc])* $variant($variant), )*
        }

        impl $name {
            /// The type that its JSON says.
            pub fn kind(&self) -> &'static str {
                match self {
                    $( $name::$variant(_) => stringify!($variant), )*
                }
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                #[derive(serde::Deserialize)]
                #[serde(field_identifier, rename_all = "lowercase")]
                enum Tag {
                    Type,
                }

                #[derive(serde::Deserialize)]
                enum Variant {
                    $( $variant, )*
                }

                struct Visitor;

                impl<'de> serde::de::Visitor<'de> for Visitor {
                    type Value = $name;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str("an object whose first field is its type")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        let Some(Tag::Type) = map.next_key()? else {
                            return Err(serde::de::Error::missing_field("type"));
                        };
                        let variant = map.next_value()?;
                        let contents = serde::de::value::MapAccessDeserializer::new(map);
                        match variant {
                            $( Variant::$variant => serde::Deserialize::deserialize(contents).map($name::$variant), )*
                        }
                    }
                }

                deserializer.deserialize_map(Visitor)
            }
        }
    };
}

pub(crate) use tagged;
