package host

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/pires/go-proxyproto"
)

// proxyV2 is a header of version 2: the command and family bytes, then what
// follows the length.
func proxyV2(command, family byte, body string) string {
	return string(proxyproto.SIGV2) + string([]byte{command, family, byte(len(body) >> 8), byte(len(body))}) + body
}

const (
	fourToFour = "\xcb\x00\x71\x07\x0a\x00\x00\x01\x30\x39\x01\xbb" // 203.0.113.7:12345 to 10.0.0.1:443
	sixToSix   = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x30\x39\x01\xbb"
	someTLVs = "\x02\x00\x03app\x04\x00\x02\x00\x00\xea\x00\x01\x07" // authority, padding, a private one
)

// proxyHeaders are headers and what they say.
var proxyHeaders = []struct {
	name, header string
	client       string // "" is none
	local        bool
	err          error // errors.Is; errAny is any
}{
	{"1, IPv4", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\r\n", "203.0.113.7:12345", false, nil},
	{"1, IPv6", "PROXY TCP6 2001:db8::7 2001:db8::1 12345 443\r\n", "[2001:db8::7]:12345", false, nil},
	{"1, IPv4 in IPv6", "PROXY TCP6 ::ffff:203.0.113.7 ::1 12345 443\r\n", "203.0.113.7:12345", false, nil},
	{"1, longest", "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", false, nil},
	{"1, unknown", "PROXY UNKNOWN\r\n", "", false, nil},
	{"1, unknown with words", "PROXY UNKNOWN ffff:ffff::1 ::1 1 2\r\n", "", false, nil},
	{"1, no end", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443 " + strings.Repeat("9", 100), "", false, errLongProxyHeader},
	{"1, end too late", "PROXY UNKNOWN " + strings.Repeat("x", 92) + "\r\n", "", false, errLongProxyHeader},
	{"1, bare line feed", "PROXY TCP4 203.0.113.7 10.0.0.1 12345 443\n", "", false, errAny},
	{"1, another family", "PROXY TCP5 203.0.113.7 10.0.0.1 12345 443\r\n", "", false, errAny},
	{"1, family and address differ", "PROXY TCP4 2001:db8::7 10.0.0.1 12345 443\r\n", "", false, errAny},
	{"1, no address", "PROXY TCP4 example.com 10.0.0.1 12345 443\r\n", "", false, errAny},
	{"1, port too high", "PROXY TCP4 203.0.113.7 10.0.0.1 65536 443\r\n", "", false, errAny},
	{"1, negative port", "PROXY TCP4 203.0.113.7 10.0.0.1 -1 443\r\n", "", false, errAny},
	{"1, a word too few", "PROXY TCP4 203.0.113.7 10.0.0.1 12345\r\n", "", false, errAny},
	{"1, lower case", "proxy tcp4 203.0.113.7 10.0.0.1 12345 443\r\n", "", false, errNoProxyHeader},

	{"2, IPv4", proxyV2(0x21, 0x11, fourToFour), "203.0.113.7:12345", false, nil},
	{"2, IPv6", proxyV2(0x21, 0x21, sixToSix), "[2001:db8::7]:12345", false, nil},
	{"2, datagrams", proxyV2(0x21, 0x12, fourToFour), "203.0.113.7:12345", false, nil},
	{"2, TLVs", proxyV2(0x21, 0x11, fourToFour+someTLVs), "203.0.113.7:12345", false, nil},
	{"2, broken TLVs", proxyV2(0x21, 0x11, fourToFour+"\x02\xff\xff"), "203.0.113.7:12345", false, nil},
	{"2, 4 KiB", proxyV2(0x21, 0x11, fourToFour+strings.Repeat("\x00", 4096-16-12)), "203.0.113.7:12345", false, nil},
	{"2, UNIX", proxyV2(0x21, 0x31, strings.Repeat("/", 216)), "", false, nil},
	{"2, unspecified", proxyV2(0x21, 0x00, ""), "", false, nil},
	{"2, unspecified with words", proxyV2(0x21, 0x00, "whatever"), "", false, nil},
	{"2, local", proxyV2(0x20, 0x00, ""), "", true, nil},
	{"2, local with an address", proxyV2(0x20, 0x11, fourToFour), "", true, nil},
	{"2, too long", proxyV2(0x21, 0x11, fourToFour+strings.Repeat("\x00", 4096-12-15)), "", false, errLongProxyHeader},
	{"2, 64 KiB", proxyV2(0x21, 0x11, strings.Repeat("\x00", 65535)), "", false, errLongProxyHeader},
	{"2, shorter than its addresses", proxyV2(0x21, 0x21, fourToFour), "", false, errAny},
	{"2, another command", proxyV2(0x22, 0x11, fourToFour), "", false, errAny},
	{"2, version 3", proxyV2(0x31, 0x11, fourToFour), "", false, errAny},
	{"2, another family", proxyV2(0x21, 0x41, fourToFour), "", false, errAny},

	{"a request", "GET / HTTP/1.1\r\n\r\n", "", false, errNoProxyHeader},
	{"a request that begins alike", "PROPFIND / HTTP/1.1\r\n\r\n", "", false, errNoProxyHeader},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", false, errNoProxyHeader},
	{"an empty line, as version 2 begins", "\r\n\r\n", "", false, io.EOF},
	{"nothing", "", "", false, io.EOF},
	{"1, broken off", "PROXY TCP4 203", "", false, io.EOF},
	{"2, broken off", proxyV2(0x21, 0x11, fourToFour)[:20], "", false, io.EOF},
}

// errAny stands for any error.
var errAny = errors.New("any")

func TestReadProxyHeader(t *testing.T) {
	t.Parallel()
	const behind = "GET / HTTP/1.1\r\n"
	for _, tt := range proxyHeaders {
		for _, way := range []string{"at once", "byte by byte"} {
			t.Run(tt.name+" "+way, func(t *testing.T) {
				t.Parallel()
				all := tt.header
				if tt.err == nil {
					all += behind
				}
				var r io.Reader = strings.NewReader(all)
				if way == "byte by byte" {
					r = iotest.OneByteReader(r)
				}
				h, rest, err := readProxyHeader(r)
				if (err == nil) != (tt.err == nil) || tt.err != errAny && !errors.Is(err, tt.err) {
					t.Fatalf("err = %v, want %v", err, tt.err)
				}
				if err != nil {
					return
				}
				got := ""
				if h.client.IsValid() {
					got = h.client.String()
				}
				if got != tt.client || h.local != tt.local {
					t.Errorf("client %q, local %t; want %q, %t", got, h.local, tt.client, tt.local)
				}
				if after, _ := io.ReadAll(r); string(rest)+string(after) != behind {
					t.Errorf("left behind it: %q and %q", rest, after)
				}
			})
		}
	}
}

// FuzzReadProxyHeader: of whatever comes a bounded part is looked at, and however it
// is split over reads it says the same.
func FuzzReadProxyHeader(f *testing.F) {
	for _, tt := range proxyHeaders {
		f.Add([]byte(tt.header + "rest"))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		whole := bytes.NewReader(b)
		h, rest, err := readProxyHeader(whole)
		if taken := len(b) - whole.Len(); taken > maxProxyHeader+usualProxyRead {
			t.Errorf("%d bytes were read", taken)
		}
		split := iotest.OneByteReader(bytes.NewReader(b))
		again, none, e := readProxyHeader(split)
		if h != again || (err == nil) != (e == nil) {
			t.Errorf("at once %v, %v; byte by byte %v, %v", h, err, again, e)
		}
		if err != nil {
			return
		}
		if len(none) > 0 {
			t.Errorf("read too far by %q", none)
		}
		if h.client.IsValid() && (h.local || h.client.Addr().Is4In6() || h.client.Addr().Zone() != "") {
			t.Errorf("says %+v", h)
		}
		if !bytes.HasSuffix(b, rest) && whole.Len() == 0 {
			t.Errorf("rest %q is not the end of %q", rest, b)
		}
	})
}

// TestAddressPort: what the log says of addresses, and what becomes of those that
// have no IP address.
func TestAddressPort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		addr net.Addr
		want netip.AddrPort
	}{
		{&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5}, netip.MustParseAddrPort("192.0.2.1:5")},
		{&net.TCPAddr{IP: net.ParseIP("fe80::1"), Port: 5, Zone: "eth0"}, netip.MustParseAddrPort("[fe80::1%eth0]:5")},
		{&net.UDPAddr{IP: net.ParseIP("2001:db8::1"), Port: 5}, netip.MustParseAddrPort("[2001:db8::1]:5")},
		{&net.TCPAddr{}, netip.AddrPort{}},
		{&net.UnixAddr{Name: "x"}, netip.AddrPort{}},
		{nil, netip.AddrPort{}},
	} {
		if got := addressPort(tt.addr); got != tt.want {
			t.Errorf("addressPort(%v) = %v, want %v", tt.addr, got, tt.want)
		}
	}
}
