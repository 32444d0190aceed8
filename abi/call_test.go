package abi

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// callTexts are operations' JSON, good and bad.
var callTexts = []string{
	`{"sandbox":{"binding":"Sandbox","id":"a1"},"command":"ls"}`,
	`{"command":"ls","sandbox":{"binding":"Sandbox","id":"a1"}}`,
	`{"command":"ls","sandbox":{"binding":"Sandbox","id":"a1"},"env":{"A":"}\"{"},"argv":["a","]"]}`,
	` { "sandbox" : { "id" : "a1" , "binding" : "Sandbox" } , "timeout" : 1500 } `,
	`{"sandbox":{"binding":"Sandbox","id":"a1","sleepAfter":"10m","labels":{"a":"b"}},"processId":"p"}`,
	`{"sandbox":{"binding":"S","id":"a"}}`, `{"sandbox":null}`, `{"sandbox":{}}`, `{}`, `{"command":"ls"}`, ``, `null`, `[]`, `{`, `"x"`,
	`{"sandbox":{"binding":"S","id":"a"},"sandbox":{"binding":"T","id":"b"}}`,
	`{"Sandbox":{"binding":"S","id":"a"}}`, `{"sandbox":{"binding":"S","id":"a"},"Sandbox":{}}`,
	`{"sandbox":{"binding":"S","id":"a"},"command":"a","Command":"b"}`, `{"Command":"b","sandbox":{"binding":"S","id":"a"},"command":"a"}`,
	`{"sandbox":{"binding":"S","id":"a"},"command":"a","command":"b"}`, `{"sandbox":{"binding":"S","id":"a"},"env":{"A":"1"},"env":{"B":"2"}}`,
	`{"sand\u0062ox":{"binding":"S","id":"a"},"command":"a"}`, `{"sandbox":{"b\u0069nding":"S","id":"a\u0062"},"comm\u0061nd":"a"}`,
	`{"sandbox":{"Binding":"S","ID":"a"}}`, `{"sandbox":{"binding":"S","binding":"T","id":"a"}}`, `{"sandbox":{"binding":1,"id":"a"}}`,
	`{"sandbox":{"binding":"S","id":"a","nope":1}}`, `{"sandbox":{"binding":"S","id":"a"},"nope":1}`, `{"sandbox":{"binding":"S","id":"a"},"command":1}`,
	`{"sandbox":{"binding":"S","id":"a"} "command":"a"}`, `{"sandbox":{"binding":"S","id":"a"},,"command":"a"}`, `{"command":"a",,"sandbox":{"binding":"S","id":"a"}}`,
	`{,"sandbox":{"binding":"S","id":"a"}}`, `{"sandbox":{"binding":"S","id":"a"},}`, `{"sandbox":{"binding":"S","id":"a"}}}`, `{"sandbox":{"binding":"S","id":"a"}} {}`,
	`{"sandbox":{"binding":"S","id":"a"},"command":}`, `{"sandbox":,"command":"a"}`, `{"sandbox":{"binding":"S","id":"a"]}`, `{"sandbox"{"binding":"S"}}`,
	"{\"sandbox\":{\"binding\":\"S\xff\",\"id\":\"a\"},\"command\":\"\xfe\"}", "{\"sandbox\":{\"binding\":\"S\x01\",\"id\":\"a\"}}",
	`{"sandbox":{"binding":"S","id":"ä"},"command":"é<>&"}`, `{"command":"a" , "sandbox" : {"binding":"S","id":"a"} , "cwd":"/"}`,
	`{"sandbox":{"binding":"S","id":"a"},"command":tru}`, `{"x\"y":1,"sandbox":{"binding":"S","id":"a"}}`,
	`{"sandbox":{"binding":"S","id":"a"},` + strings.Repeat(`"a":1,`, 40) + `"command":"a"}`,
}

// FuzzSplitPlain reads what was read the short way by the book: it means the same.
func FuzzSplitPlain(f *testing.F) {
	rows := []Row{StartProcess, Exec, ExposePort, Start, WaitForPort}
	for _, text := range callTexts {
		for i := range rows {
			f.Add(i, []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, which int, body []byte) {
		row := rows[uint(which)%uint(len(rows))]
		ref, req, ok := splitPlain(row, body)
		if !ok {
			return
		}
		wantRef, want, err := splitAny(row, body)
		if err != nil {
			t.Fatalf("%s: read %+v %+v, want %v", body, ref, req, err)
		}
		if !reflect.DeepEqual(ref, wantRef) || !reflect.DeepEqual(req, want) {
			t.Errorf("%s: read\n%+v %+v, want\n%+v %+v", body, ref, req, wantRef, want)
		}
	})
}

// TestSplitCallIsShort has what SDKs write read the short way.
func TestSplitCallIsShort(t *testing.T) {
	t.Parallel()
	for _, text := range callTexts[:3] {
		if _, _, ok := splitPlain(StartProcess, []byte(text)); !ok && json.Valid([]byte(text)) {
			if _, _, err := splitAny(StartProcess, []byte(text)); err == nil {
				t.Errorf("%s is read the long way", text)
			}
		}
	}
	if _, _, ok := splitPlain(Exec, []byte(callTexts[4])); ok {
		t.Error("exec has no processId")
	}
}

// BenchmarkSplitCall reads one call, the short way and by the book.
func BenchmarkSplitCall(b *testing.B) {
	body := []byte(`{"sandbox":{"binding":"Sandbox","id":"a1"},"command":"bun server.ts","processId":"server"}`)
	b.Run("short", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := SplitCall(StartProcess, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("book", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := splitAny(StartProcess, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}
