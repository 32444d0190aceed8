package main

// What confines a sandbox by default.
const (
	presetDefault = "default"
	networkNone   = "none"
)

// networkMeant are words that other tools use for what network can say.
var networkMeant = map[string]string{"bridge": "egress", "full": "egress", "internet": "egress", "host": "egress", "off": networkNone}

// network returns none, internal or egress.
func (v value) network() (string, bool) {
	words := []string{networkNone, "internal", "egress"}
	if s, _, ok := v.scalar(); ok && networkMeant[s] != "" {
		v.fail("%q is unknown; did you mean %q?", s, networkMeant[s])
		return "", false
	}
	return v.oneOf(words, nil)
}

// readBuild returns what an image is built from; its context must exist.
func (c *Config) readBuild(v value) *ImageBuild {
	var b ImageBuild
	var dockerfile value
	given := false
	v.object(map[string]func(value){
		"context":    func(v value) { given = true; b.Context = c.existingFolder(v) },
		"dockerfile": func(v value) { dockerfile = v },
	})
	if !given {
		v.fail("has no context; want the folder that the image is built from")
	}
	if dockerfile.node != nil {
		b.Dockerfile, _ = dockerfile.text("a path below the context, like Dockerfile")
	}
	return &b
}

// dockerOnly are the keys that mean something to the docker runtime alone, with
// the reason; processOnly those of the process runtime.
var (
	dockerOnly = map[string]string{
		"image":      "the process runtime uses the files of this machine; only docker starts images",
		"build":      "the process runtime uses the files of this machine; only docker builds images",
		"entrypoint": "the process runtime has no images, so there is no entry point; start: runs processes at every start",
		"ociRuntime": "the process runtime uses the files of this machine; only docker starts images",
	}
	processOnly = map[string]string{
		"rootfs": "only the process runtime takes a folder as root; docker starts images",
		"tools":  "only the process runtime mounts tools; with docker they belong into the image",
	}
)

// refuseCombinations records a problem for each key of the binding that has no
// meaning beside another one.
func (s *Sandbox) refuseCombinations(given map[string]value) {
	switch s.Runtime {
	case runtimeProcess:
		refuseGiven(given, dockerOnly, func(key string) bool { return key == "entrypoint" && !s.Entrypoint })
		if s.Network != networkNone {
			given["network"].fail("%q has no meaning here: the process runtime has network none only; docker has the others", s.Network)
		}
	case runtimeDocker:
		refuseGiven(given, processOnly, func(string) bool { return false })
	default:
		if needs := s.needsDocker(); needs != "" && s.Rootfs != "" {
			given["rootfs"].fail("has no meaning beside %s: only the process runtime takes a folder as root, and it does not have that", needs)
		}
	}
	if _, both := given["image"]; both && s.Build != nil {
		given["image"].fail("has no meaning beside build, which makes the image and names it")
	}
	if s.MaxSandboxes > 0 && s.Warm > s.MaxSandboxes {
		given["warm"].fail("%d are more than the %d that maxSandboxes allows", s.Warm, s.MaxSandboxes)
	}
}

// needsDocker names the key that the process runtime cannot carry out, if there
// is one: then auto is docker.
func (s *Sandbox) needsDocker() string {
	switch {
	case s.Build != nil:
		return "build"
	case s.Entrypoint:
		return "entrypoint: image"
	case s.OCIRuntime != "":
		return "ociRuntime"
	case s.Network != "" && s.Network != networkNone:
		return "network: " + s.Network
	}
	return ""
}

// refuseGiven records a problem for each of the keys that stands in the file,
// but those that except names.
func refuseGiven(given map[string]value, why map[string]string, except func(key string) bool) {
	for key, reason := range why {
		if v, there := given[key]; there && !except(key) {
			v.fail("has no meaning here: %s", reason)
		}
	}
}
