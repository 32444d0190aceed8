package link

// foreign is a function that the runtime's JavaScript calls as edge.NAME. What it has
// of a JavaScript value goes to the edge as its arguments say, a letter each:
//
//	i  a number, as an i32 (modulo 2^32); undefined is 0
//	d  a number, as an f64
//	b  bytes, as ptr and len: a string in UTF-8 (a lone surrogate becomes U+FFFD), what
//	   an ArrayBuffer or a view of one shows, nothing for null and undefined
//	w  bytes that are written to: a view or ArrayBuffer
//	a  a string as Latin-1, as ptr and len; TypeError for one with characters above U+00FF
//	h  a header block of "name NUL value NUL ..."; Latin-1 as a
//	l  a value list of "value NUL value NUL ...", in UTF-8
//
// Any other object is a TypeError. The result is what the low half holds, or
//
//	n  low itself, a number
//	s  what was written to ptr, cap as a string
//	B  the same as an Uint8Array
//	v  a value list as "value NUL value", Latin-1 as a string's characters
//	h  a header block as "name NUL value NUL ... value", likewise
//
// or, with an upper-case own, what the function of that name in own makes. An errno
// other than OK is the negative number -errno instead; what the engine itself throws
// (out of memory) is thrown.
type foreign struct {
	name   string // in JavaScript
	imp    string // in edge1; empty: it needs nothing of it
	args   string
	result byte
}

// functions is the table of what the runtime's JavaScript can reach. SPEC.md has the
// order of the arguments. Blocking forms are left out: they would hold up every
// request of the instance.
func functions() []foreign {
	return []foreign{
		{"feature", "feature", "b", 'n'},
		{"environment", "environment", "", 's'},
		{"log", "log", "iibl", 'n'},
		{"config_get", "config_get", "b", 's'},
		{"secret_get", "secret_get", "b", 's'},
		{"count", "count", "bld", 'n'},
		{"observe", "observe", "bld", 'n'},
		{"random_fill", "random", "w", 'n'},
		{"digest", "digest", "ibb", 'B'},
		{"last_error", "last_error", "i", 's'},
		{"event_read", "event_read", "i", 's'},
		{"timer_start", "timer_start", "ii", 'n'},
		{"timer_stop", "timer_stop", "ii", 'n'},
		{"hold", "hold", "i", 'n'},
		{"let_go", "let_go", "i", 'n'},
		{"budget", "budget", "i", 'n'},
		{"starved", "", "", 'L'},

		{"req_get", "req_get", "ii", 's'},
		{"req_set", "req_set", "iib", 'n'},
		{"req_header", "req_header", "ib", 'v'},
		{"req_headers", "req_headers", "i", 'h'},
		{"req_header_set", "req_header_set", "iba", 'n'},
		{"req_header_add", "req_header_add", "iba", 'n'},
		{"req_header_del", "req_header_del", "ib", 'n'},
		{"req_body_read_start", "req_body_read_start", "ii", 'n'},
		{"preview", "preview", "i", 'n'},

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
		{"ws_url_start", "ws_url_start", "ibb", 'n'},
		{"ws_head", "ws_head", "ii", 's'},
		{"ws_recv_start", "ws_recv_start", "iii", 'n'},
		{"ws_send_start", "ws_send_start", "iiib", 'n'},
		{"ws_close", "ws_close", "iiib", 'n'},
		{"kv_start", "kv_start", "iibbb", 'n'},
		{"fetch_start", "fetch_start", "ibb", 'n'},
		{"fetch_read_start", "fetch_read_start", "iii", 'n'},
		{"fetch_close", "fetch_close", "ii", 'n'},

		{"fetch_head", "fetch_head", "ii", 'F'},
		{"result_text", "result_read", "iii", 'T'},
		{"result_bytes", "result_read", "iii", 'U'},
		{"result_json", "result_read", "ii", 'J'},
		{"result_handle", "result_read", "ii", 'N'},
		{"result_message", "result_read", "ii", 'M'},
		{"random", "random", "i", 'R'},
		{"clock", "clock", "i", 'C'},
		{"utf8_decode", "", "b", 'S'},
		{"utf8_encode", "", "b", 'O'},
		{"utf8_check", "", "b", 'V'},
		{"latin1_decode", "", "b", 'W'},
		{"latin1_encode", "", "a", 'A'},
		{"url_scan", "", "bb", 'P'},
		{"query_get", "", "bb", 'Q'},
		{"quote", "", "bbb", 'G'},
	}
}

// signature is what a row imports: params by letter (asm.go). The result is an i64.
func (f foreign) signature() string {
	params := ""
	for _, letter := range f.args {
		switch letter {
		case 'i':
			params += "i"
		case 'd':
			params += "D"
		default:
			params += "ii"
		}
	}
	switch f.result {
	case 's', 'B', 'v', 'h', 'F':
		params += "ii"
	case 'T', 'U', 'J', 'N', 'M':
		return "iiiii" // req, call, offset, ptr, cap
	case 'R', 'C':
		return "ii"
	}
	return params
}
