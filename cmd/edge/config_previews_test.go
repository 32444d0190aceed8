package main

import (
	"syscall"
	"testing"
)

// TestPreviewsPlugin has a plugin answer previews, and a reload take that back.
func TestPreviewsPlugin(t *testing.T) {
	t.Parallel()
	s := startServing(t, "previews: {plugin: app}\n"+servedConfig)
	url := "http://127.0.0.1:" + s.logged(t, "msg=serving url=http://localhost:")
	s.serves(t, url+"/_preview/8080/nobody-token/", "hello")
	s.serves(t, url+"/two", "NOT_FOUND")
	edit(t, s.config, "previews: {plugin: app}", "previews: native")
	s.signal(syscall.SIGHUP)
	s.logged(t, "msg=reloaded")
	s.serves(t, url+"/_preview/8080/nobody-token/", "INVALID_TOKEN")
}
