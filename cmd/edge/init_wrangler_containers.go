package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"edge/abi"
)

// instanceType is what a container of that name has.
type instanceType struct {
	memory string
	cpus   float64
}

// instanceTypes are those of the Containers documentation, "Limits and Instance
// Types"; dev and standard are earlier names.
func instanceTypes() map[string]instanceType {
	return map[string]instanceType{
		"lite":       {"256MiB", 1.0 / 16},
		"dev":        {"256MiB", 1.0 / 16},
		"basic":      {"1GiB", 1.0 / 4},
		"standard":   {"4GiB", 1.0 / 2},
		"standard-1": {"4GiB", 1.0 / 2},
		"standard-2": {"6GiB", 1},
		"standard-3": {"8GiB", 2},
		"standard-4": {"12GiB", 4},
	}
}

// containerKeys are the members of an entry of containers, with why they are left.
func containerKeys() map[string]string {
	const rollout = "a changed image is taken when a sandbox is started anew"
	return map[string]string{
		"class_name": "", "image": "", "instance_type": "", "max_instances": "", "image_build_context": "",
		"name": whyTheirs, "configuration": whyTheirs, "constraints": whyTheirs, "scheduling_policy": whyTheirs, "affinities": whyTheirs, "trusted_user_ca_keys": whyTheirs,
		"image_vars":              "build arguments are not passed: write the values into the Dockerfile",
		"rollout_step_percentage": rollout, "rollout_kind": rollout, "rollout_active_grace_period": rollout,
		"instances":    "warm: keeps sandboxes started ahead",
		"wrangler_ssh": "edge exec -it ID bash opens a shell", "ssh": "edge exec -it ID bash opens a shell", "authorized_keys": "edge exec -it ID bash opens a shell",
		"observability": "edge logs shows what processes print",
	}
}

func (m *migration) takeContainers(w wrangled) {
	for _, item := range m.items(w) {
		if !m.object(item, containerKeys()) {
			continue
		}
		class := m.text(item.at("class_name"))
		if class == "" {
			m.fail(item, "has no class_name")
			continue
		}
		if _, twice := m.classes[class]; twice {
			m.fail(item, "is the second entry for the class %s", class)
			continue
		}
		m.classes[class] = ""
		s := newSandbox{name: class, max: m.number(item.at("max_instances"), 1, maxSandboxes)}
		m.takeImage(item, &s)
		m.takeInstanceType(item.at("instance_type"), &s)
		m.made.sandboxes = append(m.made.sandboxes, s)
	}
}

// takeImage takes a Dockerfile, or an image's name.
func (m *migration) takeImage(w wrangled, s *newSandbox) {
	at := w.at("image")
	image := m.text(at)
	switch {
	case image == "":
		return
	case !m.looksLikeFile(image):
		s.image = image
		if strings.HasPrefix(image, "registry.cloudflare.com/") {
			m.leave(at.path, "%s: docker pull has to reach that registry; else build the image here", image)
		}
		if isVendorImage(image) {
			m.leave(at.path, "%s: where no registry is reached, image: edge-sandbox does as well (make image)", image)
		}
		return
	}
	context := m.text(w.at("image_build_context"))
	if context == "" {
		context = folderOf(image)
	}
	below, err := filepath.Rel(filepath.FromSlash(context), filepath.FromSlash(image))
	if err != nil || !filepath.IsLocal(below) {
		m.fail(at, "%s is not below the folder %s that it is built in; move it there", image, context)
		return
	}
	s.context, s.dockerfile = context, filepath.ToSlash(below)
	text, err := readSmallFile(filepath.Join(m.made.dir, filepath.FromSlash(image)))
	if err != nil {
		m.leave(at.path, "%s: %s", image, reason(err))
	}
	s.entrypoint = startsProgram(string(text))
	if from := vendorBase(string(text)); from != "" {
		m.leave(at.path, "FROM %s: where no registry is reached, FROM edge-sandbox does as well (make image); the control plane in theirs is not needed", from)
	}
}

// isVendorImage tells whether an image is the one of the Sandbox SDK, in any version.
func isVendorImage(image string) bool {
	return strings.HasPrefix(strings.TrimPrefix(image, "docker.io/")+":", "cloudflare/sandbox:")
}

// vendorBase returns the image of the Sandbox SDK that a Dockerfile is built from, empty
// if it is from none.
func vendorBase(dockerfile string) string {
	for line := range strings.Lines(dockerfile) {
		words := strings.Fields(line)
		if len(words) == 0 || !strings.EqualFold(words[0], "FROM") {
			continue
		}
		for _, word := range words[1:] {
			if isVendorImage(word) {
				return word
			}
		}
	}
	return ""
}

// looksLikeFile tells a Dockerfile from an image's name as wrangler does: it is
// there.
func (m *migration) looksLikeFile(image string) bool {
	return m.isFile(image) || strings.HasPrefix(image, "./") || strings.HasPrefix(image, "../") || strings.HasSuffix(image, "Dockerfile")
}

// startsProgram tells whether a Dockerfile has its image start something: by its
// own entry point or command, or by the script that early versions of the Sandbox
// SDK's images ran.
func startsProgram(dockerfile string) bool {
	for line := range strings.Lines(dockerfile) {
		words := strings.Fields(line)
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		switch strings.ToUpper(words[0]) {
		case "CMD", "ENTRYPOINT":
			return true
		case "COPY", "ADD":
			if strings.HasSuffix(words[len(words)-1], "/container-server/startup.sh") {
				return true
			}
		}
	}
	return false
}

func (m *migration) takeInstanceType(w wrangled, s *newSandbox) {
	name := "lite" // the default
	switch v := w.v.(type) {
	case nil:
	case string:
		name = v
	case map[string]any:
		m.takeCustomType(w, s)
		return
	default:
		m.fail(w, "is %s; want an instance type's name, or an object", kindOf(v))
		return
	}
	t, known := instanceTypes()[name]
	if !known {
		m.fail(w, "unknown instance type %q; %s", name, meant(name, instanceTypes()))
		return
	}
	s.memory, s.cpus, s.size = t.memory, t.cpus, "instance type "+name
}

func (m *migration) takeCustomType(w wrangled, s *newSandbox) {
	if !m.object(w, map[string]string{"vcpu": "", "memory_mib": "", "disk_mb": "the disk is not bounded"}) {
		return
	}
	if mib := m.number(w.at("memory_mib"), minMemory>>20, maxMemory>>20); mib > 0 {
		s.memory, s.size = formatSize(mib<<20), "memory_mib"
	}
	cpus := w.at("vcpu")
	if number, ok := cpus.v.(json.Number); ok {
		if n, err := number.Float64(); err == nil && n > 0 && n <= 1024 {
			s.cpus = n
			return
		}
	}
	if cpus.v != nil {
		m.fail(cpus, "is %s; want a number above 0", shortJSON(cpus.v))
	}
}

// takeDurableObjects names the sandboxes as the Worker does: a binding to a class
// with a container is one of sandboxes.
func (m *migration) takeDurableObjects(w wrangled) {
	if w.v == nil || !m.object(w, map[string]string{"bindings": ""}) {
		return
	}
	for _, item := range m.items(w.at("bindings")) {
		if !m.object(item, map[string]string{"name": "", "class_name": "", "script_name": "", "environment": ""}) {
			continue
		}
		name, class := m.text(item.at("name")), m.text(item.at("class_name"))
		binding, container := m.classes[class]
		switch {
		case name == "" || class == "":
			m.fail(item, "has no %s", map[bool]string{true: "name", false: "class_name"}[name == ""])
		case !container && item.at("script_name").v != nil:
			m.leave(item.path, "%s: the class %s is another Worker's; sandboxes are this edge's own", name, class)
		case !container && class == "Sandbox":
			m.made.sandboxes = append(m.made.sandboxes, newSandbox{name: name}) // of the edge's own image
			m.classes[class] = name
		case !container:
			m.leave(item.path, "%s: Durable Objects that are no sandboxes do not run here; keep state in kv or in a sandbox", name)
		case binding != "":
			m.made.names = append(m.made.names, newName{name: name, sandbox: binding})
		default:
			m.classes[class] = name
			m.name(class, name)
		}
	}
}

// name gives the class's sandbox the name that the Worker has for it.
func (m *migration) name(class, name string) {
	i := slices.IndexFunc(m.made.sandboxes, func(s newSandbox) bool { return s.name == class })
	m.made.sandboxes[i].name = name
}

// checkNames looks at the bindings' names once all are known.
func (m *migration) checkNames() {
	seen := map[string]bool{}
	once := func(name string) {
		if seen[name] {
			m.fail(m.root, "the name %s is given twice", name)
		}
		seen[name] = true
	}
	check := func(name string) {
		if !abi.ValidBinding(name) {
			m.fail(m.root, "%q cannot name a binding; want a letter, then letters, digits and \"_\", at most %d", name, abi.MaxBindingLength)
		}
		once(name)
	}
	for _, s := range m.made.sandboxes {
		check(s.name)
	}
	for _, n := range m.made.names {
		check(n.name)
	}
	for _, v := range m.made.config {
		once(v.name)
	}
}
