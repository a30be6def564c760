//! Where requests go: the type's default, a URL, or a Service of the same namespace.

use std::net::{IpAddr, Ipv6Addr};

use http::Uri;
use pointsman_config::provider::HttpEndpoint;
use pointsman_crds::v1alpha1::llmprovider::{Endpoint, EndpointType, LLMProviderSpec, ProviderType};
use pointsman_models::provider_defaults;

use crate::compile::problem::{Problems, Reason};
use crate::compile::world::World;

const URL_PATH: &str = "spec.endpoint.url";

/// Finds the address of a provider; none for a simulated one, and none with a problem where there is no usable one.
pub(super) fn resolve(
    world: &World,
    namespace: &str,
    spec: &LLMProviderSpec,
    problems: &mut Problems,
) -> Option<HttpEndpoint> {
    if spec.type_ == ProviderType::Simulated {
        return None;
    }
    match &spec.endpoint {
        Some(endpoint) => named(world, namespace, endpoint, problems),
        None => by_default(spec.type_, problems),
    }
}

fn by_default(provider_type: ProviderType, problems: &mut Problems) -> Option<HttpEndpoint> {
    let Some(url) = provider_defaults(provider_type.as_str()).and_then(|defaults| defaults.endpoint) else {
        let message =
            format!("type {provider_type} has no address of its own: set endpoint.url or endpoint.service");
        problems.add("spec.endpoint", Reason::Invalid, message);
        return None;
    };
    parse(url, false).map_err(|message| problems.add("spec.endpoint", Reason::Invalid, message)).ok()
}

fn named(
    world: &World,
    namespace: &str,
    endpoint: &Endpoint,
    problems: &mut Problems,
) -> Option<HttpEndpoint> {
    match endpoint.type_ {
        EndpointType::Service => service(namespace, endpoint, problems),
        EndpointType::Url => by_url(world.allow_private_endpoints, endpoint, problems),
    }
}

fn service(namespace: &str, endpoint: &Endpoint, problems: &mut Problems) -> Option<HttpEndpoint> {
    let Some((service, port)) = endpoint
        .service
        .as_ref()
        .and_then(|s| Some((s, u16::try_from(s.port).ok().filter(|port| *port > 0)?)))
    else {
        problems.add(
            "spec.endpoint.service",
            Reason::Invalid,
            "type Service needs service.name and service.port",
        );
        return None;
    };
    let host = format!("{}.{namespace}.svc", service.name);
    Some(HttpEndpoint { tls: false, host, port, base_path: "/v1".to_owned(), allow_private: true })
}

fn by_url(allow_private: bool, endpoint: &Endpoint, problems: &mut Problems) -> Option<HttpEndpoint> {
    let Some(url) = &endpoint.url else {
        problems.add(URL_PATH, Reason::Invalid, "type URL needs url");
        return None;
    };
    let place =
        parse(url, allow_private).map_err(|message| problems.add(URL_PATH, Reason::Invalid, message)).ok()?;
    if !allow_private && let Some(why) = private(&place) {
        let message = format!(
            "{why}: use endpoint.type Service for a server of this namespace, or run the operator with \
             --allow-private-endpoints"
        );
        problems.add(URL_PATH, Reason::PrivateEndpoint, message);
        return None;
    }
    Some(place)
}

fn parse(url: &str, allow_private: bool) -> Result<HttpEndpoint, String> {
    let refuse =
        |why: &str| format!("\"{url}\" {why}: write an absolute URL such as https://llm.example.com/v1");
    let uri: Uri = url.parse().map_err(|_| refuse("is no URL"))?;
    let tls = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err(refuse("is neither https nor http")),
    };
    let authority = uri.authority().ok_or_else(|| refuse("names no host"))?;
    let bare = |c: char| authority.as_str().contains(c);
    if bare('@') || uri.query().is_some() || url.contains('#') {
        return Err(refuse("carries credentials, a query or a fragment"));
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
    if host.is_empty() || looks_like_odd_address(&host) {
        return Err(refuse("names no usable host"));
    }
    let port = match authority.port() {
        Some(port) => Some(port.as_u16()).filter(|port| *port > 0).ok_or_else(|| refuse("has port 0"))?,
        None if authority.as_str().len() > authority.host().len() => {
            return Err(refuse("has no usable port"));
        }
        None if tls => 443,
        None => 80,
    };
    let base_path = uri.path().trim_end_matches('/').to_owned();
    Ok(HttpEndpoint { tls, host, port, base_path, allow_private })
}

/// `2130706433`, `127.1` and `0x7f.1` are addresses to some resolvers and names to others: nobody needs them.
fn looks_like_odd_address(host: &str) -> bool {
    let last = host.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let numeric = last.starts_with("0x") || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    numeric && host.parse::<IpAddr>().is_err()
}

/// Why this address may not be named by URL.
fn private(place: &HttpEndpoint) -> Option<String> {
    if !place.tls {
        return Some("plain HTTP would show keys and prompts to the network".to_owned());
    }
    let name = place.host.trim_end_matches('.');
    let local_name = name == "localhost"
        || [".localhost", ".local", ".internal", ".svc", ".cluster.local"]
            .iter()
            .any(|suffix| name.ends_with(suffix));
    let local_address = place.host.parse::<IpAddr>().is_ok_and(not_public);
    (local_name || local_address).then(|| format!("\"{}\" is a private address", place.host))
}

/// Whether an address is anything but a public one.
fn not_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || a == 0
                || a >= 224
                || (a == 100 && (64..128).contains(&b))
                || (a == 198 && (b == 18 || b == 19))
                || v4.octets()[..3] == [192, 0, 0]
        }
        IpAddr::V6(v6) => embedded(v6).map_or_else(|| not_public_v6(v6), |v4| not_public(IpAddr::V4(v4))),
    }
}

/// The IPv4 address inside a mapped, compatible or NAT64 one.
fn embedded(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let nat64 = v6.segments()[..6] == [0x64, 0xff9b, 0, 0, 0, 0];
    let last = v6.octets();
    v6.to_ipv4_mapped().or_else(|| nat64.then(|| [last[12], last[13], last[14], last[15]].into()))
}

fn not_public_v6(v6: Ipv6Addr) -> bool {
    // Public unicast is 2000::/3; 2001:db8::/32 is for documentation.
    let [first, second, ..] = v6.segments();
    first & 0xe000 != 0x2000 || (first == 0x2001 && second == 0xdb8)
}

/// The address as people write it.
pub(super) fn display(place: &HttpEndpoint) -> String {
    let scheme = if place.tls { "https" } else { "http" };
    let host = if place.host.contains(':') { format!("[{}]", place.host) } else { place.host.clone() };
    let usual = if place.tls { 443 } else { 80 };
    if place.port == usual {
        format!("{scheme}://{host}")
    } else {
        format!("{scheme}://{host}:{}", place.port)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn refused(url: &str) -> Option<Reason> {
        let endpoint = Endpoint { type_: EndpointType::Url, url: Some(url.to_owned()), service: None };
        let mut problems = Problems::default();
        by_url(false, &endpoint, &mut problems);
        problems.into_vec().first().map(|problem| problem.reason)
    }

    #[test]
    fn addresses_that_are_not_public_need_a_service_or_the_flag() {
        for url in [
            "http://llm.example.com/v1",
            "https://localhost/v1",
            "https://127.0.0.1/v1",
            "https://10.1.2.3/v1",
            "https://172.16.0.1/v1",
            "https://192.168.1.1/v1",
            "https://169.254.169.254/latest",
            "https://100.64.0.1/v1",
            "https://0.0.0.0/v1",
            "https://[::1]/v1",
            "https://[::ffff:10.0.0.1]/v1",
            "https://[64:ff9b::a00:1]/v1",
            "https://[fd00::1]/v1",
            "https://[fe80::1]/v1",
            "https://vllm.shop.svc/v1",
            "https://metadata.google.internal/v1",
        ] {
            assert_eq!(refused(url), Some(Reason::PrivateEndpoint), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for url in [
            "llm.example.com",
            "ftp://llm.example.com",
            "https://user:pass@llm.example.com",
            "https://llm.example.com/v1?key=1",
            "https://llm.example.com/#a",
            "https://2130706433/v1",
            "https://127.1/v1",
            "https://0x7f.0x1/v1",
            "https://:443/v1",
            "https://llm.example.com:0/v1",
            "https://llm.example.com:99999/v1",
        ] {
            assert_eq!(refused(url), Some(Reason::Invalid), "{url}");
        }
    }

    #[test]
    fn urls_are_taken_apart_and_shown_again() {
        for (url, host, port, base_path, shown) in [
            ("https://LLM.Example.com/v1/", "llm.example.com", 443, "/v1", "https://llm.example.com"),
            ("https://8.8.8.8", "8.8.8.8", 443, "", "https://8.8.8.8"),
            (
                "https://llm.example.com:8443/a/b",
                "llm.example.com",
                8443,
                "/a/b",
                "https://llm.example.com:8443",
            ),
            ("https://[2a00::1]/v1", "2a00::1", 443, "/v1", "https://[2a00::1]"),
        ] {
            assert_eq!(refused(url), None, "{url}");
            let place = parse(url, false).unwrap();
            assert_eq!((place.host.as_str(), place.port, place.base_path.as_str()), (host, port, base_path));
            assert_eq!(display(&place), shown);
        }
    }
}
