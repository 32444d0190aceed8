//! The functions of the ABI, one for each of SPEC.md, with slices in the place of pointers.
//!
//! For plugins that do without the rest of the crate.
//! Every function returns `errno << 32 | low`; [`split`] takes that apart. An `out`
//! offers its capacity and afterwards holds the result, or nothing if that did not fit:
//! then low exceeds the capacity and `result_read` reads it.

/// Takes a result apart: the error number, 0 is OK, and the length, handle or number.
pub fn split(result: u64) -> (u32, usize) {
    ((result >> 32) as u32, result as u32 as usize)
}

/// Makes a result.
pub fn result(errno: u32, low: usize) -> u64 {
    u64::from(errno) << 32 | low as u32 as u64
}

/// The error numbers; a number that is not here counts as `INTERNAL`.
#[allow(missing_docs)]
pub mod errno {
    pub const OK: u32 = 0;
    pub const INVALID: u32 = 1;
    pub const NOT_FOUND: u32 = 2;
    pub const DENIED: u32 = 3;
    pub const TIMEOUT: u32 = 4;
    pub const BUSY: u32 = 5;
    pub const QUOTA: u32 = 6;
    pub const UNAVAILABLE: u32 = 7;
    pub const TOO_LARGE: u32 = 8;
    pub const CLOSED: u32 = 9;
    pub const ALREADY: u32 = 10;
    pub const UNSUPPORTED: u32 = 11;
    pub const INTERNAL: u32 = 12;
}

/// The Rust type of a parameter.
macro_rules! parameter {
    (number) => { u32 };
    (level) => { i32 };
    (real) => { f64 };
    (text) => { &str };
    (bytes) => { &[u8] };
    (out) => { &mut Vec<u8> };
    (moment) => { &mut u64 };
    (fill) => { &mut [u8] };
}

/// Imports one function: takes its parameters one by one, and collects what each is at
/// the border, and what is passed for it.
#[cfg(target_arch = "wasm32")]
macro_rules! import {
    ($name:ident () [$($type:ty),*] [$($pass:expr),*] [$($out:ident)?]) => {{
        #[link(wasm_import_module = "edge1")]
        extern "C" {
            fn $name($(_: $type),*) -> u64;
        }
        // The edge reads and writes within the slices that it is shown here, and only
        // until it returns.
        let result = unsafe { $name($($pass),*) };
        $(
            let (errno, length) = split(result);
            $out.clear();
            if errno == errno::OK && length <= $out.capacity() {
                // As many bytes were written.
                unsafe { $out.set_len(length) };
            }
        )?
        result
    }};
    ($name:ident ($arg:ident: number $(, $($rest:tt)*)?) [$($type:ty),*] [$($pass:expr),*] [$($out:ident)?]) => {
        import!($name ($($($rest)*)?) [$($type,)* u32] [$($pass,)* $arg] [$($out)?])
    };
    ($name:ident ($arg:ident: level $(, $($rest:tt)*)?) [$($type:ty),*] [$($pass:expr),*] [$($out:ident)?]) => {
        import!($name ($($($rest)*)?) [$($type,)* i32] [$($pass,)* $arg] [$($out)?])
    };
    ($name:ident ($arg:ident: real $(, $($rest:tt)*)?) [$($type:ty),*] [$($pass:expr),*] [$($out:ident)?]) => {
        import!($name ($($($rest)*)?) [$($type,)* f64] [$($pass,)* $arg] [$($out)?])
    };
    ($name:ident ($arg:ident: out $(, $($rest:tt)*)?) [$($type:ty),*] [$($pass:expr),*] []) => {
        import!($name ($($($rest)*)?) [$($type,)* *mut u8, usize] [$($pass,)* $arg.as_mut_ptr(), $arg.capacity()] [$arg])
    };
    ($name:ident ($arg:ident: moment) [$($type:ty),*] [$($pass:expr),*] []) => {
        import!($name () [$($type,)* *mut u64] [$($pass,)* $arg] [])
    };
    ($name:ident ($arg:ident: fill) [$($type:ty),*] [$($pass:expr),*] []) => {
        import!($name () [$($type,)* *mut u8, usize] [$($pass,)* $arg.as_mut_ptr(), $arg.len()] [])
    };
    // text and bytes
    ($name:ident ($arg:ident: $kind:ident $(, $($rest:tt)*)?) [$($type:ty),*] [$($pass:expr),*] [$($out:ident)?]) => {
        import!($name ($($($rest)*)?) [$($type,)* *const u8, usize] [$($pass,)* $arg.as_ptr(), $arg.len()] [$($out)?])
    };
}

macro_rules! border {
    ($($(#[$meta:meta])* fn $name:ident($($arg:ident: $kind:ident),*);)*) => {
        $(
            $(#[$meta])*
            #[cfg(target_arch = "wasm32")]
            pub fn $name($($arg: parameter!($kind)),*) -> u64 {
                import!($name ($($arg: $kind),*) [] [] [])
            }

            $(#[$meta])*
            #[cfg(not(target_arch = "wasm32"))]
            pub fn $name($($arg: parameter!($kind)),*) -> u64 {
                crate::fake::ask(|edge| edge.$name($($arg),*))
            }
        )*

        /// The edge's side of the border, for native builds: a method for each function,
        /// which answers `UNSUPPORTED` unless it is written.
        #[cfg(not(target_arch = "wasm32"))]
        #[allow(unused_variables)]
        pub(crate) trait Border {
            $(
                $(#[$meta])*
                fn $name(&mut self, $($arg: parameter!($kind)),*) -> u64 {
                    result(errno::UNSUPPORTED, 0)
                }
            )*
        }
    };
}

border! {
    /// Tells whether the edge has the named function.
    fn feature(name: text);
    /// Writes one line to the edge's log; `fields` is a value list, `req` may be 0.
    fn log(req: number, level: level, message: text, fields: bytes);
    /// Reads the JSON of one configuration value.
    fn config_get(key: text, out: out);
    /// Reads one secret.
    fn secret_get(name: text, out: out);
    /// Reads a clock: 0 since the Unix epoch, 1 monotonic; nanoseconds.
    fn clock(id: number, out: moment);
    /// Fills the slice with cryptographic randomness, at most 65,536 bytes.
    fn random(fill: fill);
    /// Adds to a counter; `labels` is a value list of key, value.
    fn count(name: text, labels: bytes, value: real);
    /// Tells a histogram one observation.
    fn observe(name: text, labels: bytes, value: real);
    /// Reads the JSON of the request's last error.
    fn last_error(req: number, out: out);
    /// Reads a result that was larger than what was offered for it.
    fn result_read(req: number, call: number, offset: number, out: out);
    /// Reads the JSON of what happened to a sandbox.
    fn event_read(event: number, out: out);
    /// Reads one field of the request.
    fn req_get(req: number, field: number, out: out);
    /// Edits a field of the request.
    fn req_set(req: number, field: number, value: bytes);
    /// Reads every value of one header, as a value list.
    fn req_header(req: number, name: text, out: out);
    /// Reads all headers, as a header block.
    fn req_headers(req: number, out: out);
    /// Replaces every value of a header by one.
    fn req_header_set(req: number, name: text, value: bytes);
    /// Adds one value of a header.
    fn req_header_add(req: number, name: text, value: bytes);
    /// Removes every value of a header.
    fn req_header_del(req: number, name: text);
    /// Reads the next piece of the body; length 0 is its end.
    fn req_body_read(req: number, out: out);
    /// Decides to answer; `headers` is a header block.
    fn respond(req: number, status: number, headers: bytes, body: bytes);
    /// Decides to answer with a body in pieces.
    fn respond_begin(req: number, status: number, headers: bytes);
    /// Sends one piece of the body.
    fn respond_write(req: number, piece: bytes);
    /// Ends the body.
    fn respond_end(req: number);
    /// Decides to answer with an error, given as its JSON.
    fn fail(req: number, error: bytes);
    /// Decides to splice the client's WebSocket with a port.
    fn connect(req: number, binding: text, id: text, port: number, options: bytes);
    /// Decides to relay the request to a port.
    fn proxy(req: number, binding: text, id: text, port: number, options: bytes);
    /// Leaves the request to the next plugin of the chain.
    fn next(req: number);
    /// Decides on steps that the edge carries out; JSON.
    fn plan(req: number, json: bytes);
    /// Carries out one operation; JSON both ways.
    fn op(req: number, name: text, json: bytes, out: out);
    /// Begins one operation that is a stream; low is a handle for `ws_recv` and so on.
    fn op_open(req: number, name: text, json: bytes);
    /// Opens a WebSocket to a port; low is its handle.
    fn ws_open(req: number, binding: text, id: text, port: number, options: bytes);
    /// Reads the next message: one byte opcode, then the payload.
    fn ws_recv(req: number, ws: number, timeout_ms: number, out: out);
    /// Sends one message.
    fn ws_send(req: number, ws: number, opcode: number, data: bytes);
    /// Starts the closing handshake.
    fn ws_close(req: number, ws: number, code: number, reason: text);
    /// Reads or writes the key-value store: 1 get, 2 set, 3 delete, 4 list.
    fn kv(req: number, verb: number, key: text, value: bytes, options: bytes, out: out);
    /// Asks a server on the network; low is a handle.
    fn fetch(req: number, json: bytes, body: bytes);
    /// Reads the answer's status, URL and headers.
    fn fetch_head(req: number, fetch: number, out: out);
    /// Reads the next piece of the answer's body; length 0 is its end.
    fn fetch_read(req: number, fetch: number, out: out);
    /// Gives an answer back.
    fn fetch_close(req: number, fetch: number);
}
