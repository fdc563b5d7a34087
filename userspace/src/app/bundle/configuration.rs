//! The daemon's configuration without what nobody else may know.

use serde_json::Value;

/// What is in the place of something secret.
const REMOVED: &str = "(removed)";
/// A key is of something secret if its name has one of these in it: of passwords, hashes of them, and keys.
const SECRET: [&str; 8] = ["auth", "credential", "hash", "key", "pass", "private", "secret", "token"];

/// The file's tables, without comments, which may hold anything.
///
/// # Errors
/// Where it is no TOML, in words that repeat none of it.
pub(super) fn redacted(text: &str) -> Result<Value, String> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        format!("no TOML, in line {}", before.matches('\n').count() + 1)
    })?;
    let mut value = serde_json::to_value(table).map_err(|error| error.to_string())?;
    redact(&mut value);
    Ok(value)
}

fn redact(value: &mut Value) {
    match value {
        Value::Object(entries) => {
            for (key, value) in entries {
                let key = key.to_lowercase();
                if SECRET.iter().any(|part| key.contains(part)) {
                    *value = REMOVED.into();
                } else {
                    redact(value);
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::String(text) => {
            if let Some(without) = without_credentials(text) {
                *text = without;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A URL without name and password, and without its query; `None` for one that has neither, and for other text.
fn without_credentials(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map(|(_, host)| format!("{REMOVED}@{host}"));
    let short = path.find(['?', '#']).map(|end| format!("{}?{REMOVED}", &path[..end]));
    if host.is_none() && short.is_none() {
        return None;
    }
    let host = host.unwrap_or_else(|| authority.to_owned());
    Some(format!("{scheme}://{host}{}", short.unwrap_or_else(|| path.to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        let text = r#"
            interval = "5s" # s3cret
            [metrics]
            listen = ["127.0.0.1:9756"]
            [metrics.otlp]
            endpoint = "http://me:s3cret@127.0.0.1:4318/v1/metrics?api=s3cret"
            [metrics.tls_server_config]
            cert_file = "/etc/zcdiag/tls.crt"
            key_file = "/s3cret"
            [metrics.basic_auth_users]
            s3cret = "$2y$10$s3cret"
            [later]
            Password = "s3cret"
            list = [{ api_token = "s3cret" }]
        "#;
        let value = redacted(text).expect("it is TOML");
        assert!(!value.to_string().contains("s3cret"), "{value}");
        assert_eq!(
            (&value["interval"], &value["metrics"]["listen"][0]),
            (&"5s".into(), &"127.0.0.1:9756".into())
        );
        assert_eq!(
            value["metrics"]["otlp"]["endpoint"],
            "http://(removed)@127.0.0.1:4318/v1/metrics?(removed)"
        );
        assert_eq!(value["metrics"]["tls_server_config"]["cert_file"], "/etc/zcdiag/tls.crt");
        assert_eq!(value["metrics"]["basic_auth_users"], REMOVED);
    }

    #[test]
    fn what_is_wrong_is_told_without_it() {
        let error = redacted("interval = \"5s\"\npassword = \"s3cret\n").expect_err("it is no TOML");
        assert_eq!(error, "no TOML, in line 2");
        assert_eq!(redacted(""), Ok(Value::Object(serde_json::Map::default())));
    }

    #[test]
    fn other_urls_are_left_as_they_are() {
        for text in ["http://127.0.0.1:4318/v1/a@b", "a@b", "/etc/zcdiag"] {
            assert_eq!(without_credentials(text), None, "{text}");
        }
    }
}
