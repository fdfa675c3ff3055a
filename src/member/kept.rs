//! Identities and records in files that people read: each part by name, checked when it is read.

use std::net::SocketAddr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::member::{Advertise, Generation, Identity, Incarnation, NodeId, Record, canonical};
use crate::wire::check_record;

/// All parts of an identity; a missing id is that of the name.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Identity", deny_unknown_fields)]
struct IdentityParts {
    name: String,
    #[serde(default)]
    id: Option<NodeId>,
    generation: Generation,
    address: SocketAddr,
    #[serde(default, skip_serializing_if = "Advertise::is_default")]
    advertise: Advertise,
    #[serde(default)]
    metadata: Vec<u8>,
}

impl From<&Identity> for IdentityParts {
    fn from(identity: &Identity) -> Self {
        let Identity { name, id, generation, address, advertise, metadata } = identity.clone();
        IdentityParts { name, id: Some(id), generation, address, advertise, metadata }
    }
}

impl From<IdentityParts> for Identity {
    fn from(parts: IdentityParts) -> Self {
        let IdentityParts { name, id, generation, address, advertise, metadata } = parts;
        let id = id.unwrap_or_else(|| NodeId::from_name(&name));
        Identity { name, id, generation, address: canonical(address), advertise, metadata }
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        IdentityParts::from(self).serialize(serializer)
    }
}

/// Refuses what [`Identity::check`] refuses.
impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let identity = Identity::from(IdentityParts::deserialize(deserializer)?);
        identity.check().map_err(D::Error::custom)?;
        Ok(identity)
    }
}

/// All parts of a record; what a later release adds by name is passed over.
#[derive(Serialize, Deserialize)]
#[serde(rename = "Record")]
struct RecordParts {
    name: String,
    id: NodeId,
    generation: Generation,
    incarnation: Incarnation,
    address: SocketAddr,
    #[serde(default)]
    metadata: Vec<u8>,
    #[serde(default)]
    extra: Vec<u8>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let parts = RecordParts {
            name: self.name().to_owned(),
            id: self.id(),
            generation: self.generation(),
            incarnation: self.incarnation(),
            address: self.address(),
            metadata: self.metadata().to_owned(),
            extra: self.extra().to_owned(),
        };
        parts.serialize(serializer)
    }
}

/// Refuses what no member would take from another.
impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RecordParts { name, id, generation, incarnation, address, metadata, extra } =
            RecordParts::deserialize(deserializer)?;
        let advertise = Advertise::default();
        let identity = Identity { name, id, generation, address: canonical(address), advertise, metadata };
        let record = Record::new(&identity, incarnation, &extra).map_err(D::Error::custom)?;
        check_record(&record).map_err(|_| D::Error::custom("a record needs an address with a port"))?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_read_as_people_would_write_them() {
        let mut identity = Identity::named("db-1", Generation(7), "10.0.0.1:7340".parse().unwrap());
        identity.metadata = vec![1, 2];
        let text = concat!(
            r#"{"name":"db-1","id":"453ad95f72f5c81d45eedf9d99a1991d","generation":7,"#,
            r#""address":"10.0.0.1:7340","metadata":[1,2]}"#
        );
        assert_eq!(serde_json::to_string(&identity).unwrap(), text);
        assert_eq!(serde_json::from_str::<Identity>(text).unwrap(), identity);
        let short = r#"{"name":"db-1","generation":7,"address":"[::ffff:10.0.0.1]:7340"}"#;
        let read: Identity = serde_json::from_str(short).unwrap();
        assert_eq!(read, Identity { metadata: Vec::new(), ..identity.clone() });

        let record = Record::new(&identity, Incarnation(3), &[9, 1, 5]).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        assert!(
            text.contains(r#""incarnation":3,"address":"10.0.0.1:7340","metadata":[1,2],"extra":[9,1,5]}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
        let later = text.replace("{", r#"{"colour":"blue","#);
        assert_eq!(serde_json::from_str::<Record>(&later).unwrap(), record);
    }

    #[test]
    fn what_may_not_be_is_refused() {
        let mut identity = Identity::named("db-1", Generation(7), "10.0.0.1:7340".parse().unwrap());
        let record = Record::new(&identity, Incarnation(3), &[9, 1, 5]).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        for (good, bad) in [
            ("db-1", "db\\n1"),
            (":7340", ":0"),
            (r#""generation":7"#, r#""generation":9223372036854775808"#),
            (r#""incarnation":3"#, r#""incarnation":2147483648"#),
            ("[9,1,5]", "[9,1]"),
            ("[9,1,5]", "[9,0,9,0]"),
        ] {
            let text = text.replace(good, bad);
            assert!(serde_json::from_str::<Record>(&text).is_err(), "{text}");
        }
        identity.metadata = vec![0; 513];
        let error = serde_json::from_str::<Identity>(&serde_json::to_string(&identity).unwrap()).unwrap_err();
        assert!(error.to_string().contains("513 bytes"), "{error}");
        let error = serde_json::from_str::<Identity>(r#"{"nmae": "db-1"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `nmae`"), "{error}");
    }
}
