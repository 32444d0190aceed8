//! The macro that plugins use, and those that types.rs is written with.

/// Makes a function the plugin's handler, and writes the module's exports.
///
/// ```ignore
/// edge::plugin!(decide);
/// edge::plugin!(decide, init = set_up, selftest = check, event = told);
/// ```
///
/// * the handler: `fn(&Request) -> Result<Response, E>`, for each request;
/// * `init`: `fn() -> Result<(), E>`, once per instance, before its first request. There
///   `config` and `log` work, and there is no request yet. An error discards the instance;
/// * `selftest`: `fn() -> Result<(), E>`, once per loaded version, before it serves. An
///   error refuses the version; the one before it goes on serving;
/// * `event`: `fn(&Sandbox, &SandboxEvent) -> Result<(), E>`, after the fact, when a sandbox
///   started, stopped or failed, once for each event and in order for one sandbox. To use
///   the sandbox starts it again. While the edge does not run, nothing is told.
///
/// * `allocator = ()`: the crate has a `#[global_allocator]` of its own. Otherwise the module
///   gets one that is faster than the standard library's at what plugins do.
///
/// `E` is [`Error`](crate::Error) or whatever becomes a `Box<dyn std::error::Error>`. Use
/// the macro once, in the root of the crate.
#[macro_export]
macro_rules! plugin {
    ($handler:expr $(, $hook:ident = $function:expr)* $(,)?) => {
        #[cfg(target_arch = "wasm32")]
        mod edge_exports {
            #[allow(unused_imports)]
            use super::*;

            // The marker of the ABI's major version; it is never called.
            #[no_mangle]
            extern "C" fn edge1() {}

            #[no_mangle]
            extern "C" fn edge_init() -> i32 {
                $crate::log_panics();
                $crate::warm_heap();
                $($crate::plugin!(@init $hook, $function);)*
                0
            }

            #[no_mangle]
            extern "C" fn edge_request(req: u32) -> i32 {
                $crate::serve($handler, req)
            }

            $($crate::plugin!(@export $hook, $function);)*

            $crate::plugin!(@heap $($hook)*);
        }

        // In a native build only tests call what was named here.
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            let _ = $handler;
            $(let _ = $function;)*
        };
    };
    (@init init, $function:expr) => {
        let errno = $crate::run_hook("init", $function);
        if errno != 0 {
            return errno;
        }
    };
    (@init $other:ident, $function:expr) => {};
    (@heap) => {
        #[global_allocator]
        static HEAP: $crate::Heap = $crate::Heap::new();
    };
    (@heap allocator $($more:ident)*) => {};
    (@heap $other:ident $($more:ident)*) => { $crate::plugin!(@heap $($more)*); };
    (@export init, $function:expr) => {};
    (@export allocator, $function:expr) => {};
    (@export selftest, $function:expr) => {
        #[no_mangle]
        extern "C" fn edge_selftest() -> i32 {
            $crate::run_hook("selftest", $function)
        }
    };
    (@export event, $function:expr) => {
        #[no_mangle]
        extern "C" fn edge_event(event: u32) -> i32 {
            $crate::tell($function, event)
        }
    };
    (@export $other:ident, $function:expr) => {
        compile_error!(concat!("edge::plugin! knows init, selftest, event and allocator, not ", stringify!($other)));
    };
}

/// A JSON object with named fields. `always` marks a field that is written also when it
/// holds nothing.
macro_rules! record {
    (
        $(#[$meta:meta])*
        pub struct $name:ident {
            $($(#[$about:meta])* pub $field:ident: $type:ty = $key:literal $($always:ident)?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl crate::json::Field for $name {
            fn is_empty(&self) -> bool {
                $(crate::json::Field::is_empty(&self.$field))&&*
            }

            fn write(&self, w: &mut crate::json::Writer) {
                w.begin_object();
                $(
                    if record!(@always $($always)?) || !crate::json::Field::is_empty(&self.$field) {
                        w.key($key);
                        crate::json::Field::write(&self.$field, w);
                    }
                )*
                w.end_object();
            }

            fn read(value: &crate::json::Value) -> Option<Self> {
                value.as_object()?;
                Some($name {
                    $($field: match value.get($key) {
                        None | Some(crate::json::Value::Null) => Default::default(),
                        Some(v) => crate::json::Field::read(v)?,
                    },)*
                })
            }
        }
    };
    (@always always) => { true };
    (@always) => { false };
}

/// A text of a set to which later versions of the edge may add.
macro_rules! words {
    (
        $(#[$meta:meta])*
        pub enum $name:ident {
            $($variant:ident = $text:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// Another text; the empty one is "not given".
            Unknown(String),
        }

        impl $name {
            /// The text, as JSON has it.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)*
                    $name::Unknown(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => $name::$variant,)*
                    _ => $name::Unknown(text.to_string()),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                $name::Unknown(String::new())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl crate::json::Field for $name {
            fn is_empty(&self) -> bool {
                self.as_str().is_empty()
            }

            fn write(&self, w: &mut crate::json::Writer) {
                w.string(self.as_str());
            }

            fn read(value: &crate::json::Value) -> Option<Self> {
                value.as_str().map(Self::from)
            }
        }
    };
}
