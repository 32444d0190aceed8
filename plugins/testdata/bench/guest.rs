//! The guest of the platform's benchmarks in Rust: it makes three host calls a request.

use edge::{Request, Response, Result};

edge::plugin!(decide);

fn decide(req: &Request) -> Result<Response> {
    let _ = req.path();
    Ok(Response::text(200, &req.header("Accept").unwrap_or_default()))
}
