package remote

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"edge/abi"
)

// TestCutFailureIsTold cuts a failure at every byte: as soon as its code is
// there, that is what is told, with as much of the message as came.
func TestCutFailureIsTold(t *testing.T) {
	t.Parallel()
	want := abi.Errorf(abi.CodeInvalidRequest, "a \"quoted\" text, 😀 and \x01").WithSuggestion("do this")
	text, err := json.Marshal(map[string]any{"error": want})
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.Replace(string(text), "😀", `\ud83d\ude00`, 1))
	codeEnd := strings.Index(string(text), `,"message"`)
	c := &Client{address: Address{Socket: "s"}}
	for n := range len(text) + 1 {
		err := c.refusal(400, mendFailure(text[:n]))
		var e *abi.Error
		if told := errors.As(err, &e) && e.Code == want.Code; told != (n >= codeEnd) {
			t.Fatalf("of %q: %v", text[:n], err)
		}
		if e != nil && e.Message != want.Message && !strings.HasSuffix(e.Message, "...") && e.Message != "the edge's answer is too long to be shown" {
			t.Errorf("of %q the message %q", text[:n], e.Message)
		}
	}
	for _, other := range []string{"", "<html>", `{"error":1`, `{"other":{"code":"X"`, `[`} {
		if got := string(mendFailure([]byte(other))); got != other {
			t.Errorf("%q became %q", other, got)
		}
	}
}

// TestLongRefusalOfAStream refuses a handshake with more text than the WebSocket
// package keeps.
func TestLongRefusalOfAStream(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusBadRequest, map[string]any{"error": abi.Errorf(abi.CodeInvalidRequest, "%s", strings.Repeat("long ", 1000))})
	}))
	defer server.Close()
	c := newClient(Address{URL: server.URL}, nil)
	defer c.Close()
	_, err := c.Open(t.Context(), Ref{"S", "a"}, "watch", struct{}{})
	var e *abi.Error
	if !errors.As(err, &e) || e.Code != abi.CodeInvalidRequest || !strings.HasPrefix(e.Message, "long long ") {
		t.Errorf("err = %v", err)
	}
}

// TestInterruptedDialOfAStream interrupts while the edge says nothing.
func TestInterruptedDialOfAStream(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	interrupt := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	accepted := make(chan net.Conn, 1)
	go func() {
		conn, err := ln.Accept()
		if err == nil {
			_, _ = conn.Read(make([]byte, 1)) // the request has come
			cancel(interrupt)
		}
		accepted <- conn
	}()
	c := newClient(Address{URL: "http://" + ln.Addr().String()}, nil)
	defer c.Close()
	if _, err := c.Open(ctx, Ref{"S", "a"}, "watch", struct{}{}); !errors.Is(err, interrupt) {
		t.Errorf("err = %v", err)
	}
	if conn := <-accepted; conn != nil {
		conn.Close()
	}
}
