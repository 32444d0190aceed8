package host

import (
	"strings"
	"testing"

	"edge/abi"
)

// TestNobodyPassesForTheServerItself has strangers come by the very names that an
// exposure's server takes for its own, which the edge puts in the place of the
// preview's: the server is not told that they are its own pages.
func TestNobodyPassesForTheServerItself(t *testing.T) {
	t.Parallel()
	a := newArena(t, &Server{}, nil)
	a.machines.set("Sandbox.a", 8080, backend(t, echoSocket))
	a.machines.set("Sandbox.a", 8081, backend(t, echoSocket))
	local, _ := a.expose(t, "a", abi.ExposePortRequest{Port: 8080, Access: abi.AccessPublic})
	literal, _ := a.expose(t, "a", abi.ExposePortRequest{Port: 8081, Access: abi.AccessPublic, Host: "app.internal:${port}"})
	for _, tt := range []struct{ label, own string }{{local, "localhost:8080"}, {literal, "app.internal:8081"}} {
		for _, form := range []struct{ host, path string }{{tt.label + ".localhost:8787", "/x"}, {"edge.example", "/_preview/" + strings.Replace(tt.label, "-", "/", 1) + "/x"}} {
			for _, origin := range []string{"http://" + tt.own, "https://" + tt.own, "http://" + strings.ToUpper(tt.own)} {
				got := a.get(t, form.host, form.path, "Origin: "+origin+"\r\nReferer: "+origin+"/x\r\n")
				if !strings.Contains(got.body, "Origin: null\r\n") || strings.Contains(got.body, "Referer") {
					t.Errorf("%s from %s: the server sees\n%s", form.host, origin, got.body)
				}
				c := a.dial(t)
				c.send("GET " + form.path + " HTTP/1.1\r\nHost: " + form.host + "\r\nOrigin: " + origin + "\r\n" + handshake + "\r\n")
				if got := c.answer("GET"); got.StatusCode != 101 {
					t.Fatalf("answer %d %s", got.StatusCode, got.body)
				}
				wantFrame(t, c.r, 1, tt.own+" null /x")
			}
			got := a.get(t, form.host, form.path, "Origin: https://"+form.host+"\r\n")
			if !strings.Contains(got.body, "Origin: http://"+tt.own+"\r\n") {
				t.Errorf("%s from its own page: the server sees\n%s", form.host, got.body)
			}
		}
	}
}
