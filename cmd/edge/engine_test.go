package main

import (
	"strings"
	"testing"

	"edge/sandboxmgr/docker"
)

func TestEngineAt(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		env  map[string]string
		want docker.Config
		err  string
	}{
		{"nothing", nil, docker.Config{}, ""},
		{"a home", map[string]string{"HOME": "/h"}, docker.Config{ClientDir: "/h/.docker"}, ""},
		{"a host and a context", map[string]string{"DOCKER_HOST": "tcp://h:1", "DOCKER_CONTEXT": "far", "DOCKER_CONFIG": "/d", "HOME": "/h"},
			docker.Config{Host: "tcp://h:1", Context: "far", ClientDir: "/d"}, ""},
		{"certificates", map[string]string{"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, docker.Config{CertPath: "/c"}, ""},
		{"certificates where the client has them", map[string]string{"DOCKER_TLS_VERIFY": "1", "HOME": "/h"},
			docker.Config{ClientDir: "/h/.docker", CertPath: "/h/.docker"}, ""},
		{"shared", map[string]string{"EDGE_DOCKER_SHARED": "yes"}, docker.Config{Sharing: docker.SharingYes}, ""},
		{"not shared", map[string]string{"EDGE_DOCKER_SHARED": "no"}, docker.Config{Sharing: docker.SharingNo}, ""},
		{"neither", map[string]string{"EDGE_DOCKER_SHARED": "perhaps"}, docker.Config{}, "yes or no"},
	} {
		got, err := engineAt(func(name string) string { return tt.env[name] })
		if tt.err == "" && (err != nil || got != tt.want) || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}
