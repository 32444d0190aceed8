package main

import (
	"os"
	"os/exec"
	"path/filepath"
)

// systemStores are where Linux distributions keep authorities that the operator
// added, with what makes them count.
var systemStores = []struct {
	dir, suffix      string
	install, removed []string
}{
	{"/etc/pki/ca-trust/source/anchors", ".pem", []string{"update-ca-trust", "extract"}, []string{"update-ca-trust", "extract"}},    // Fedora
	{"/usr/local/share/ca-certificates", ".crt", []string{"update-ca-certificates"}, []string{"update-ca-certificates", "--fresh"}}, // Debian
	{"/etc/ca-certificates/trust-source/anchors", ".crt", []string{"trust", "extract-compat"}, []string{"trust", "extract-compat"}}, // Arch
	{"/usr/share/pki/trust/anchors", ".pem", []string{"update-ca-certificates"}, []string{"update-ca-certificates"}},                // openSUSE
}

// nssFolders are where programs with a store of their own (NSS) keep it below the
// home folder; only Chromium's is made if it is not there.
var nssFolders = map[string][]struct{ name, pattern string }{
	"linux": {
		{"Chromium", ".pki/nssdb"},
		{"Chromium (snap)", "snap/chromium/current/.pki/nssdb"},
		{"Firefox", ".mozilla/firefox/*"},
		{"Firefox (snap)", "snap/firefox/common/.mozilla/firefox/*"},
		{"Firefox (flatpak)", ".var/app/org.mozilla.firefox/.mozilla/firefox/*"},
	},
	"darwin": {{"Firefox", "Library/Application Support/Firefox/Profiles/*"}},
}

// stores are those of the machine, with what to do in each.
func (p *trustPlace) stores(r trustedRoot, remove bool) []trustStore {
	var list []trustStore
	if p.goos == "darwin" {
		list = append(list, p.keychain(r, remove))
	} else {
		list = append(list, p.system(r, remove))
	}
	return append(list, p.nss(r, remove)...)
}

// keychain is macOS's, of the user: the system asks whether that is all right.
func (p *trustPlace) keychain(r trustedRoot, remove bool) trustStore {
	s := trustStore{name: "Keychain"}
	if remove {
		s.steps = [][]string{{"security", "remove-trusted-cert", r.file}}
	} else {
		s.steps = [][]string{{"security", "add-trusted-cert", "-r", "trustRoot", "-k", filepath.Join(p.home, "Library/Keychains/login.keychain-db"), r.file}}
	}
	return s
}

// system is the list of a Linux system, which curl, Go, Python and others read.
func (p *trustPlace) system(r trustedRoot, remove bool) trustStore {
	s := trustStore{name: "system", root: true}
	for _, known := range systemStores {
		dir := p.prefix + known.dir
		if st, err := os.Stat(dir); err != nil || !st.IsDir() {
			continue
		}
		file := filepath.Join(dir, r.alias()+known.suffix)
		if remove {
			s.steps = [][]string{{"rm", "-f", file}, known.removed}
		} else {
			s.steps = [][]string{{"install", "-m", "0644", r.file, file}, known.install}
		}
		return s
	}
	return trustStore{name: "system", note: "this system keeps its list of authorities where this program does not know; the certificate above is the one to add"}
}

// nss are the stores of browsers.
func (p *trustPlace) nss(r trustedRoot, remove bool) []trustStore {
	found := p.nssDatabases()
	certutil, err := p.look("certutil")
	if err != nil {
		if len(found) == 0 && p.goos != "linux" {
			return nil
		}
		return []trustStore{{name: "Chromium and Firefox", note: "certutil is not there; install libnss3-tools (Debian), nss-tools (Fedora) or nss (brew) and run this again, or import the certificate in the browser's settings"}}
	}
	var list []trustStore
	for _, db := range found {
		s := trustStore{name: db.name + " " + db.dir}
		at := "sql:" + db.dir
		switch {
		case remove && (db.missing || exec.Command(certutil, "-L", "-d", at, "-n", r.alias()).Run() != nil):
			s.note = "does not know it"
		case remove:
			s.steps = [][]string{{certutil, "-D", "-d", at, "-n", r.alias()}}
		default:
			if db.missing {
				s.steps = append(s.steps, []string{"mkdir", "-p", "-m", "0700", db.dir}, []string{certutil, "-N", "-d", at, "--empty-password"})
			}
			s.steps = append(s.steps, []string{certutil, "-A", "-d", at, "-t", "C,,", "-n", r.alias(), "-i", r.file})
		}
		list = append(list, s)
	}
	return list
}

// nssDatabase is one store of a browser's.
type nssDatabase struct {
	name, dir string
	missing   bool // it is to be made
}

func (p *trustPlace) nssDatabases() []nssDatabase {
	var found []nssDatabase
	if p.home == "" {
		return nil
	}
	for i, known := range nssFolders[p.goos] {
		dirs, _ := filepath.Glob(filepath.Join(p.home, known.pattern)) // the patterns are good
		if i == 0 && p.goos == "linux" && len(dirs) == 0 {
			found = append(found, nssDatabase{known.name, filepath.Join(p.home, known.pattern), true})
		}
		for _, dir := range dirs {
			_, err := os.Stat(filepath.Join(dir, "cert9.db"))
			chromiums := i == 0 && p.goos == "linux"
			if err == nil || chromiums {
				found = append(found, nssDatabase{known.name, dir, err != nil})
			}
		}
	}
	return found
}
