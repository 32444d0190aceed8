package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestAnswerReader(t *testing.T) {
	t.Parallel()
	body := string(pattern(600))
	sized := fmt.Sprintf("HTTP/1.1 200 OK\r\nServer: x\r\ncontent-length: 600\r\n\r\n%s", body)
	chunked := fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n%s\r\n158;x=y\r\n%s\r\n0\r\nX-Trailer: z\r\n\r\n", body[:256], body[256:])
	stream := strings.Repeat(sized+chunked, 4)
	for _, piece := range []int{1, 2, 5, 64, 700, 1 << 20} {
		var r answerReader
		answers := 0
		for rest := stream; rest != ""; {
			n := min(piece, len(rest))
			got, err := r.feed([]byte(rest[:n]), 600)
			if err != nil {
				t.Fatalf("pieces of %d: %v", piece, err)
			}
			answers += got
			rest = rest[n:]
		}
		if answers != 8 {
			t.Errorf("pieces of %d: %d answers, want 8", piece, answers)
		}
	}
	for name, bad := range map[string]string{
		"another length": "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "an error": "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 600\r\n\r\n",
		"no length": "HTTP/1.1 200 OK\r\n\r\n", "a bad chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
		"a bad length": "HTTP/1.1 200 OK\r\nContent-Length: +6\r\n\r\n", "no end": "HTTP/1.1 200 OK\r\n" + strings.Repeat("x", 2*maxAnswerHead),
	} {
		if _, err := new(answerReader).feed([]byte(bad), 600); err == nil {
			t.Errorf("%s is no error", name)
		}
	}
}

func TestStampReader(t *testing.T) {
	t.Parallel()
	var stream []byte
	stream = append(stream, eventsHead...)
	for _, at := range []int64{1, 1_234_567_890, 9_007_199_254_740_993} {
		stream = eventChunk(stream, at)
		stream = append(stream, "data: not a time\n\ndatadata: 12x"...)
	}
	for _, piece := range []int{1, 4, 29, 1 << 20} {
		var r stampReader
		var got []int64
		for rest := stream; len(rest) > 0; {
			n := min(piece, len(rest))
			for at, b, ok := r.next(rest[:n]); ok; at, b, ok = r.next(b) {
				got = append(got, at)
			}
			rest = rest[n:]
		}
		if fmt.Sprint(got) != "[1 1234567890 9007199254740993]" {
			t.Errorf("pieces of %d: %v", piece, got)
		}
	}
}

func FuzzAnswerReader(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		var whole, bytewise answerReader
		want, wantErr := whole.feed(in, 3)
		got := 0
		var err error
		for i := 0; i < len(in) && err == nil; i++ {
			var n int
			n, err = bytewise.feed(in[i:i+1], 3)
			got += n
		}
		if len(in) < maxAnswerHead && (got != want || (err == nil) != (wantErr == nil)) {
			t.Errorf("byte by byte %d (%v), at once %d (%v)", got, err, want, wantErr)
		}
	})
}

func TestHead(t *testing.T) {
	t.Parallel()
	head := []byte("GET /a/b?c=d HTTP/1.1\r\nHOST: x:1\r\nX-Key:  v w \r\n\r\n")
	if got := string(requestTarget(head)); got != "/a/b" {
		t.Errorf("target %q", got)
	}
	for name, want := range map[string]string{"host": "x:1", "x-key": "v w"} {
		if got, ok := headerValue(head, name); !ok || string(got) != want {
			t.Errorf("%s: %q, %t", name, got, ok)
		}
	}
	if got, ok := headerValue(head, "x-ke"); ok {
		t.Errorf("x-ke is there: %q", got)
	}
	if got := string(appendAccept(nil, []byte(handshakeKey))); got != handshakeAccept {
		t.Errorf("accept %q", got)
	}
}

func TestSameHead(t *testing.T) {
	t.Parallel()
	const good = "GET /x HTTP/1.1\r\nhost: bench.test:81\r\nx-one: a  b\r\nx-two: first\r\nx-two: second\r\ncookie: k=v; l=\"w\"\r\n\r\n"
	if err := sameHead([]byte(good), "/x"); err != nil {
		t.Error(err)
	}
	if err := sameHead([]byte(strings.Replace(good, "first\r\nx-two: second", "first, second", 1)), "/x"); err != nil {
		t.Errorf("joined: %v", err)
	}
	for _, change := range [][2]string{{"/x", "/y"}, {"bench.test:81", "127.0.0.1"}, {"a  b", "a b"}, {"x-two: second\r\n", ""}, {`l="w"`, "l=w"}} {
		if sameHead([]byte(strings.Replace(good, change[0], change[1], 1)), "/x") == nil {
			t.Errorf("%q for %q is not found", change[1], change[0])
		}
	}
}
