package replay

import (
	"strings"
	"testing"

	"edge/abi"
)

// TestPreviewSecretsAreNotRecorded has each secret of a preview stand in each place
// of a request in which it may come: no recording holds it.
func TestPreviewSecretsAreNotRecorded(t *testing.T) {
	t.Parallel()
	const token, link = "s3cret_token", "abc123.cGFzc21lYXJvdW5kMTIzNDU2Nzg5"
	r := newRedactor()
	for _, tt := range []struct {
		name    string
		request Request
	}{
		{"host", Request{URL: "http://8080-my-app-" + token + ".localhost:8787/x", Headers: Headers{{Name: "Host", Value: "8080-my-app-" + token + ".localhost:8787"}}}},
		{"host in capitals", Request{URL: "http://8080-MY-APP-" + strings.ToUpper(token) + ".LOCALHOST/x", Headers: Headers{{Name: "Host", Value: "8080-MY-APP-" + strings.ToUpper(token) + ".LOCALHOST"}}}},
		{"path", Request{URL: "http://a/_preview/8080/my-app-" + token + "/x"}},
		{"path without a slash", Request{URL: "http://a/_preview/8080/my-app-" + token}},
		{"query", Request{URL: "http://8080-my-app.localhost/x?a=b&edge_token=" + token}},
		{"query, escaped name", Request{URL: "http://8080-my-app.localhost/x?edge%5Ftoken=" + token}},
		{"link", Request{URL: "http://8080-my-app.localhost/?edge_link=" + link}},
		{"link, escaped name", Request{URL: "http://8080-my-app.localhost/?x&edge%5flink=" + link + "&y"}},
		{"referer", Request{URL: "http://a/", Headers: Headers{{Name: "Referer", Value: "https://8080-my-app-" + token + ".localhost/?edge_link=" + link}}}},
		{"origin", Request{URL: "http://a/", Headers: Headers{{Name: "Origin", Value: "https://8080-my-app-" + token + ".localhost"}}}},
		{"header", Request{URL: "http://a/", Headers: Headers{{Name: "x-edge-token", Value: token}}}},
		{"bearer", Request{URL: "http://a/", Headers: Headers{{Name: "Authorization", Value: "Bearer " + token}}}},
		{"cookies", Request{URL: "http://a/", Headers: Headers{{Name: "Cookie", Value: "x=1; edge-preview=" + link + "; __Host-edge-preview=" + link}}}},
		{"forwarded", Request{URL: "http://a/", Headers: Headers{{Name: "X-Forwarded-Host", Value: "8080-my-app-" + token + ".localhost"}, {Name: "X-Forwarded-Prefix", Value: "/_preview/8080/my-app-" + token}}}},
		{"answer of exposePort", Request{URL: "http://a/", Body: Text(`{"url":"http://8080-my-app-` + token + `.localhost/","token":"` + token + `"}`)}},
		{"answer of createPreviewLink", Request{URL: "http://a/", Body: Text(`{"url":"http://8080-my-app.localhost/?edge_link=` + link + `"}`)}},
	} {
		got := r.request(&tt.request)
		text := strings.ToLower(got.URL + string(got.Body))
		for _, h := range got.Headers {
			text += " " + strings.ToLower(abi.Header(h).Value)
		}
		if strings.Contains(text, token) || strings.Contains(text, strings.ToLower(link)) {
			t.Errorf("%s: %s", tt.name, text)
		}
	}
}
