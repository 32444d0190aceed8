package host

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"edge/abi"
	"edge/sandboxmgr"
)

// seen keeps the heads that a backend got.
type seen struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *seen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	fmt.Fprintln(&s.text, r.Method, r.Host, r.RequestURI)
	_ = r.Header.Write(&s.text)
	s.mu.Unlock()
	echoSocket(w, r)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestSecretsOfPreviews opens previews in all forms, rightly and wrongly, asleep,
// refused and answered, and lists where each of their secrets may be read afterwards:
// a token in the address by its own server, and in the event of its exposing; a session
// by the browser that it is made for; any other by nobody.
func TestSecretsOfPreviews(t *testing.T) {
	t.Parallel()
	const hostToken, requestToken = "hosttok_en", "reqtok_en"
	events := &syncBuffer{}
	a := newArena(t, explaining(&Server{Observe: func(e Event) { fmt.Fprintf(events, "%+v\n", e) }}), nil)
	heads := &seen{}
	a.machines.set("Sandbox.a", 8080, backend(t, heads.ServeHTTP))
	a.machines.set("Sandbox.a", 8081, backend(t, heads.ServeHTTP))
	a.expose(t, "a", abi.ExposePortRequest{Port: 8080, Token: hostToken, Name: "shop"})
	inRequest := abi.ExposePortRequest{Token: requestToken, TokenIn: abi.TokenInRequest}
	for _, port := range []int{8081, 9999} { // on the second nothing listens
		inRequest.Port = port
		a.expose(t, "a", inRequest)
	}
	inRequest.Port, inRequest.Wake = 8082, abi.WakeNever
	a.expose(t, "asleep", inRequest)
	made, err := a.box(t, "a").CreatePreviewLink(t.Context(), &abi.PreviewLinkRequest{Port: 8081})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(made.URL)
	if err != nil {
		t.Fatal(err)
	}
	link := u.Query().Get("edge_link")
	signed := a.get(t, "8081-a.localhost", "/?edge_link="+link, "Accept: text/html\r\n")
	_, session, _ := strings.Cut(signed.Header.Get("Set-Cookie"), "=")
	session, _, _ = strings.Cut(session, ";")
	if signed.StatusCode != 302 || session == "" {
		t.Fatalf("link: %d %v", signed.StatusCode, signed.Header)
	}
	secrets := []string{hostToken, requestToken, link, session}

	var answers strings.Builder
	for _, host := range []string{"8080-a-" + hostToken, "8080-a-" + hostToken + "x", "8081-a", "9999-a", "8082-asleep", "8083-a-" + requestToken} {
		port, key, _ := strings.Cut(host, "-")
		for _, address := range [][2]string{{host + ".localhost", "/"}, {"edge.example", "/_preview/" + port + "/" + key + "/"}, {"edge.example", "/_preview/" + port + "/" + key}} {
			for _, query := range []string{"", "?edge_token=" + requestToken, "?edge%5flink=" + link} {
				for _, head := range []string{
					"", "Accept: text/html\r\n", handshake, "X-Edge-Token: " + requestToken + "\r\n", "Authorization: Bearer " + requestToken + "\r\n", "X-Edge-Explain: " + explainToken + "\r\n",
					"Cookie: edge-preview=" + session + "; x=1; __Host-edge-preview=" + session + "\r\nReferer: http://" + host + ".localhost/?edge_token=" + requestToken + "\r\n",
				} {
					if strings.HasPrefix(head, "Authorization") && strings.HasPrefix(host, "8080") {
						continue // an Authorization that opens nothing is the server's
					}
					got := a.get(t, address[0], address[1]+query, head+"X-From: me\r\n")
					switch {
					case got.StatusCode == 302: // makes a session
						got.Header.Del("Set-Cookie")
					case got.StatusCode == 308: // adds a slash to what was asked
						got.Header.Del("Location")
					case got.StatusCode == 101 || strings.Contains(got.body, "X-From"): // shows what the server saw
						got.body = ""
					}
					fmt.Fprintln(&answers, got.Status, got.Header, got.body)
				}
			}
		}
	}
	a.unexpose(t, "a", 8080)
	a.expose(t, "a", abi.ExposePortRequest{Port: 8081, Token: "another_one", TokenIn: abi.TokenInRequest})
	for deadline := time.Now().Add(patience); a.table.Count(nil) > 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
	}
	var told strings.Builder
	a.events.mu.Lock()
	for _, e := range a.events.list {
		if e.Kind != sandboxmgr.EventExposed || strings.Contains(e.Text, requestToken) {
			fmt.Fprintf(&told, "%+v\n", e)
		}
	}
	a.events.mu.Unlock()
	connections, _ := Connections{Table: a.table, Sandboxes: a.manager}.List(ConnectionFilter{}, 0)
	for place, text := range map[string]string{
		"access log": a.accessLog(), "log": a.log.String(), "manager's log": a.said.String(), "events of requests": events.String(),
		"events of sandboxes": told.String(), "answers": answers.String(), "connections": fmt.Sprintf("%+v", connections), "server": heads.String(),
	} {
		for _, secret := range secrets {
			i := strings.Index(text, secret)
			if i >= 0 && !(place == "server" && secret == hostToken) {
				t.Errorf("%s: holds %s: …%s…", place, secret, text[max(0, i-200):min(len(text), i+100)])
			}
		}
		if strings.Contains(text, explainToken) {
			t.Errorf("%s: holds the edge's own token", place)
		}
		if place != "connections" && place != "log" && place != "manager's log" && text == "" {
			t.Errorf("%s: is empty, which shows nothing", place)
		}
	}
}
