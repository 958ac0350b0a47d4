//! The Wi-Fi to join, and how wpa_supplicant is told.

use std::fmt::Write as _;

use serde::Deserialize;
use sha1::Sha1;
use zeroize::Zeroizing;

/// A network and what it takes to join it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wifi {
    ssid: Ssid,
    password: Option<Password>,
    country: Option<Country>,
}

impl Wifi {
    /// A configuration file for wpa_supplicant, after its `wpa_supplicant.conf(5)`: everything of the owner's in
    /// hexadecimal, as its quoting does not carry every name and password.
    pub fn wpa_supplicant(&self) -> Zeroizing<String> {
        // More than its greatest length, so that it does not grow and leave a copy of the password.
        let mut text = Zeroizing::new(String::with_capacity(512));
        if let Some(Country(code)) = &self.country {
            let _ = writeln!(text, "country={code}");
        }
        text.push_str("network={\n\tssid=");
        hexadecimal(self.ssid.0.as_bytes(), &mut text);
        // Found also when it does not say its name.
        text.push_str("\n\tscan_ssid=1\n");
        match &self.password {
            None => text.push_str("\tkey_mgmt=NONE\n"),
            // The key fits WPA2 only.
            Some(Password::Key(key)) => {
                let _ = writeln!(text, "\tkey_mgmt=WPA-PSK\n\tpsk={}", **key);
            }
            // WPA2 wants the key, WPA3 (SAE) the words and protected management frames.
            Some(Password::Words(words)) => {
                text.push_str("\tkey_mgmt=WPA-PSK SAE\n\tieee80211w=1\n\tpsk=");
                hexadecimal(&*wpa2_key(words, &self.ssid.0), &mut text);
                text.push_str("\n\tsae_password=");
                hexadecimal(words.as_bytes(), &mut text);
                text.push('\n');
            }
        }
        text.push_str("}\n");
        text
    }
}

/// IEEE 802.11-2020, J.4.1.
fn wpa2_key(words: &str, ssid: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha1>(words.as_bytes(), ssid.as_bytes(), 4_096, &mut *key);
    key
}

fn hexadecimal(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

/// 1 to 32 bytes (IEEE 802.11-2020, 9.4.2.2).
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Ssid(String);

impl TryFrom<String> for Ssid {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.len() {
            1..=32 => Ok(Self(name)),
            _ => Err("expected the network's name, 1 to 32 bytes"),
        }
    }
}

/// A passphrase, or the key that is made of it (IEEE 802.11-2020, J.4).
#[derive(Deserialize)]
#[serde(try_from = "String")]
enum Password {
    Words(Zeroizing<String>),
    Key(Zeroizing<String>),
}

impl TryFrom<String> for Password {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let text = Zeroizing::new(text);
        let printable = text.bytes().all(|b| (b' '..=b'~').contains(&b));
        match text.len() {
            8..=63 if printable => Ok(Self::Words(text)),
            64 if text.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(Self::Key(text)),
            _ => Err(
                "expected the Wi-Fi's password, 8 to 63 ASCII characters or 64 hexadecimal digits; an open network has none",
            ),
        }
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Two letters (ISO 3166-1), in capitals.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Country(String);

impl TryFrom<String> for Country {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        match code.as_bytes() {
            [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                Ok(Self(code.to_ascii_uppercase()))
            }
            _ => Err("expected the country's two letters, for example \"DE\""),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wifi(text: &str) -> Result<String, String> {
        toml::from_str::<Wifi>(text)
            .map(|w| w.wpa_supplicant().to_string())
            .map_err(|e| e.message().to_owned())
    }

    #[test]
    fn names_and_passwords_are_hexadecimal() {
        // The key is the standard's own example, J.4.2.
        assert_eq!(
            wifi("ssid = 'IEEE'\npassword = 'password'\ncountry = 'de'").unwrap(),
            "country=DE\nnetwork={\n\tssid=49454545\n\tscan_ssid=1\n\tkey_mgmt=WPA-PSK SAE\n\tieee80211w=1\n\
             \tpsk=f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e\n\
             \tsae_password=70617373776f7264\n}\n"
        );
        assert!(wifi("ssid = 'ä\"}'").unwrap().contains("\tssid=c3a4227d\n"));
        let key = "0123456789abcdefABCDEF0123456789".repeat(2);
        assert_eq!(
            wifi(&format!("ssid = 'a'\npassword = '{key}'")).unwrap(),
            format!("network={{\n\tssid=61\n\tscan_ssid=1\n\tkey_mgmt=WPA-PSK\n\tpsk={key}\n}}\n")
        );
        assert_eq!(
            wifi("ssid = 'a'").unwrap(),
            "network={\n\tssid=61\n\tscan_ssid=1\n\tkey_mgmt=NONE\n}\n"
        );
    }

    #[test]
    fn the_longest_does_not_grow() {
        let text = format!(
            "ssid = '{}'\npassword = '{}'\ncountry = 'GB'",
            "s".repeat(32),
            "p".repeat(63)
        );
        let conf = toml::from_str::<Wifi>(&text).unwrap().wpa_supplicant();
        assert_eq!(conf.capacity(), 512);
    }

    #[test]
    fn what_no_network_has_is_refused() {
        for bad in [
            "ssid = ''".to_owned(),
            format!("ssid = '{}'", "ä".repeat(17)),
            "ssid = 'a'\npassword = '1234567'".into(),
            "ssid = 'a'\npassword = 'pässword'".into(),
            "ssid = 'a'\npassword = \"12345678\\n\"".into(),
            format!("ssid = 'a'\npassword = '{}'", "g".repeat(64)),
            "ssid = 'a'\ncountry = 'DEU'".into(),
            "ssid = 'a'\ncountry = 'ä'".into(),
            "password = '12345678'".into(),
        ] {
            assert!(wifi(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_does_not_show_the_password() {
        let wifi: Wifi = toml::from_str("ssid = 'a'\npassword = 'hush hush'").unwrap();
        assert!(!format!("{wifi:?}").contains("hush"));
    }
}
