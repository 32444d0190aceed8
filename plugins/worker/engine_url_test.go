package worker

import "testing"

// TestScans gives the functions that look at texts in place of JavaScript what they
// must tell apart.
func TestScans(t *testing.T) {
	t.Parallel()
	p, log := serve(t, bare(t, evaluating), nil)
	const yes, none, strange = "4", "-1", "-2"
	cases := [][2]string{
		{`edge.url_scan('o:/a?b', 'o:')`, yes},
		{`edge.url_scan('o:/a?b?c', 'o:')`, yes},
		{`edge.url_scan('o:/ab', 'o:')`, none},
		{`edge.url_scan('o:/', 'o:')`, none},
		{`edge.url_scan('o:', 'o:')`, strange},
		{`edge.url_scan('', 'o:')`, strange},
		{`edge.url_scan('o', 'o:')`, strange},
		{`edge.url_scan('p:/ab', 'o:')`, strange},
		{`edge.url_scan('o:8/ab', 'o:')`, strange},
		{`edge.url_scan('o:/a#b', 'o:')`, strange},
		{`edge.url_scan('o:/.', 'o:')`, strange},
		{`edge.url_scan('o:/a.b/c', 'o:')`, none},
		{`edge.url_scan('o:/a/../b', 'o:')`, strange},
		{`edge.url_scan('o:/%2e/b', 'o:')`, strange},
		{`edge.url_scan('o:/a%2e/b', 'o:')`, none},
		{`edge.url_scan('o:/%', 'o:')`, none},
		{`edge.url_scan('o:/\u00e9', 'o:')`, strange},
		{`edge.url_scan('o:/\u20ac', 'o:')`, strange},
		{`edge.url_scan('o:/\ud800', 'o:')`, strange},
		{`edge.url_scan('o:/a\0', 'o:')`, strange},
		{`edge.url_scan('o:/a\x7f', 'o:')`, strange},
		{`edge.query_get('a=1&b=2', 'a')`, "1"},
		{`edge.query_get('a=1&b=2', 'b')`, "2"},
		{`edge.query_get('ab=1&b=2', 'b')`, "2"},
		{`edge.query_get('b=1&b=2', 'b')`, "1"},
		{`edge.query_get('xb=1', 'b')`, "null"},
		{`edge.query_get('bx=1', 'b')`, "null"},
		{`edge.query_get('b=', 'b') + '<'`, "<"},
		{`edge.query_get('b', 'b') + '<'`, "<"},
		{`edge.query_get('b&c=1', 'b') + '<'`, "<"},
		{`edge.query_get('a&&b=1=2', 'b')`, "1=2"},
		{`edge.query_get('', 'b')`, "null"},
		{`edge.query_get('&', 'b')`, "null"},
		{`edge.query_get('\u00e9=\u20ac', '\u00e9')`, "€"},
		{`edge.query_get('b=1', '')`, "undefined"},
		{`edge.query_get('b=%41', 'b')`, "undefined"},
		{`edge.query_get('b=a+b', 'b')`, "undefined"},
		{`edge.query_get('b=1', 'b=')`, "undefined"},
		{`edge.query_get('b=1', 'a&b')`, "undefined"},
		{`edge.quote('', '')`, `""`},
		{`edge.quote('', 'a b')`, `"a b"`},
		{`edge.quote('', '\u20ac')`, `"€"`},
		{`edge.quote('b', 'a', 'c')`, `b"a"c`},
		{`edge.quote('\u20ac"', '\u20ac', '"\u20ac')`, `€""€""€`},
		{`edge.quote('b'.repeat(40000), 'a'.repeat(40000), 'c'.repeat(40000)).length`, "120002"},
		{`edge.quote('', 'a"b')`, "undefined"},
		{`edge.quote('', 'a\\b')`, "undefined"},
		{`edge.quote('', 'a\nb')`, "undefined"},
		{`edge.quote('', '\0')`, "undefined"},
		{`edge.quote('', 'a'.repeat(100000)).length`, "100002"},
	}
	for _, c := range cases {
		if got := evaluateIn(t, p, "return String("+c[0]+")"); got != c[1] {
			t.Errorf("%s is %s, want %s\n%s", c[0], got, c[1], log)
		}
	}
}
