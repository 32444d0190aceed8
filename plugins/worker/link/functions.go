package link

// foreign is a function that JavaScript can call. Its arguments are written with a
// letter each: i a number that becomes an i32, d one that becomes an f64, b a string
// (as UTF-8), an Uint8Array or nothing, which becomes ptr and len.
//
// The result is what low holds: n a number; s or B what was written to the output,
// as a string or Uint8Array. An errno other than OK is a negative number instead.
type foreign struct {
	name   string // in JavaScript
	imp    string // in edge1; empty: it is made here
	args   string
	result byte
}

// functions is the table of what the runtime's JavaScript can reach. SPEC.md has
// the order of the arguments.
func functions() []foreign {
	return []foreign{
		{"feature", "feature", "b", 'n'},
		{"log", "log", "iibb", 'n'},
		{"config_get", "config_get", "b", 's'},
		{"random", "random", "i", 'R'},
		{"last_error", "last_error", "i", 's'},
		{"result_text", "result_read", "iii", 's'},
		{"result_bytes", "result_read", "iii", 'B'},

		{"req_get", "req_get", "ii", 's'},
		{"req_header", "req_header", "ib", 'v'},
		{"req_headers", "req_headers", "i", 'h'},
		{"req_set", "req_set", "iib", 'n'},
		{"req_header_set", "req_header_set", "ibb", 'n'},
		{"req_header_del", "req_header_del", "ib", 'n'},
		{"req_body_read_start", "req_body_read_start", "ii", 'n'},

		{"respond", "respond", "iihb", 'n'},
		{"respond_begin", "respond_begin", "iih", 'n'},
		{"respond_write_start", "respond_write_start", "ib", 'n'},
		{"respond_end", "respond_end", "i", 'n'},
		{"fail", "fail", "ib", 'n'},
		{"connect", "connect", "ibbib", 'n'},
		{"proxy", "proxy", "ibbib", 'n'},
		{"next", "next", "i", 'n'},
		{"plan", "plan", "ib", 'n'},

		{"op_start", "op_start", "ibb", 'n'},
		{"op_open_start", "op_open_start", "ibb", 'n'},
		{"ws_open_start", "ws_open_start", "ibbib", 'n'},
		{"ws_recv_start", "ws_recv_start", "iii", 'n'},
		{"ws_send_start", "ws_send_start", "iiib", 'n'},
		{"ws_close", "ws_close", "iiib", 'n'},

		{"utf8_decode", "", "b", 's'},
		{"utf8_encode", "", "b", 'B'},
	}
}
