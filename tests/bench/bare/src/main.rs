//! The yardstick of the benchmarks: how little can a proxy written with hyper do?
//!
//! `pointsman-bench-bare LISTEN UPSTREAM` passes every request on to one address and the answer back. It uses hyper's
//! server, hyper-util's pooling client and boxed bodies on a current-thread runtime, as most proxies in Rust do. It does
//! not look at paths or bodies, count anything or fail over. A request that fails ends its connection.

use std::error::Error;

use bytes::Bytes;
use http_body_util::{BodyExt, combinators::BoxBody};
use hyper::header::{CONNECTION, TRANSFER_ENCODING};
use hyper::http::uri::{Authority, Scheme};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri, body::Incoming, server::conn::http1};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, hyper::Error>;
type Upstream = Client<HttpConnector, Body>;
type Failure = Box<dyn Error + Send + Sync>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [listen, upstream] = arguments.as_slice() else {
        return Err("usage: pointsman-bench-bare LISTEN UPSTREAM, both as address:port".into());
    };
    let authority: Authority = upstream.parse()?;
    let client = client();
    let listener = TcpListener::bind(listen.as_str()).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, authority) = (client.clone(), authority.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| pass_on(client.clone(), authority.clone(), request));
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection ended: {error}");
            }
        });
    }
}

fn client() -> Upstream {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

async fn pass_on(
    client: Upstream,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts)?;
    request.headers_mut().remove(CONNECTION);
    let mut response = client.request(request.map(BodyExt::boxed)).await?;
    response.headers_mut().remove(CONNECTION);
    response.headers_mut().remove(TRANSFER_ENCODING);
    Ok(response.map(BodyExt::boxed))
}
