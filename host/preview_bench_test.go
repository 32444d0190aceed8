package host

import (
	"testing"

	"edge/bridge"
)

// BenchmarkLoggedHost is what every request's host costs to be logged.
func BenchmarkLoggedHost(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		loggedHost("8080-my-app-0123456789abcdef.preview.example.com")
	}
}

// BenchmarkEditAnswer is what an answer of a preview costs beside one that nothing is
// changed of.
func BenchmarkEditAnswer(b *testing.B) {
	v := hostVisit("")
	headers := []bridge.Header{
		{Name: "Server", Value: "x"}, {Name: "Date", Value: "Sun, 06 Nov 1994 08:49:37 GMT"}, {Name: "Content-Type", Value: "text/html"},
		{Name: "Cache-Control", Value: "no-store"}, {Name: "Set-Cookie", Value: "a=b; Path=/; HttpOnly"}, {Name: "Content-Length", Value: "13"},
	}
	b.ReportAllocs()
	for b.Loop() {
		v.editAnswer(200, headers)
	}
}
