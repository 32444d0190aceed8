package initd

import (
	"bufio"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"edge/abi"
)

// The sandbox's own tables of users and groups (passwd(5), group(5)). They are
// read anew for each look-up: what runs in the sandbox may change them.
const (
	passwdFile = "/etc/passwd"
	groupFile  = "/etc/group"
)

// maxAccounts bounds how much of one of these tables is read, in bytes.
const maxAccounts = 1 << 20

// maxGroups is how many supplementary groups a process can have on Linux.
const maxGroups = 65536

// identity is the user that a command runs as.
type identity struct {
	uid, gid uint32
	groups   []uint32 // supplementary ones
	name     string   // empty if /etc/passwd does not have the user
	home     string   // "/" if it does not say
}

// lookupUser finds the user that "name", "uid", "name:group" or "uid:gid" names,
// as container engines do: a name goes before a number, a number need not be in
// the tables and belongs to group 0 then, and whoever names the group gets no
// other.
func lookupUser(spec string, passwd, groups io.Reader) (*identity, error) {
	user, group, withGroup := strings.Cut(spec, ":")
	if user == "" || withGroup && group == "" {
		return nil, abi.Errorf(abi.CodeInvalidRequest, "user %.60q: want a name or a number, with \":group\" or without", spec)
	}
	id, err := readUser(user, passwd)
	if err != nil {
		return nil, err
	}
	if withGroup {
		id.gid, err = readGroup(group, groups)
		return id, err
	}
	id.groups, err = groupsOf(id.name, groups)
	return id, err
}

// readUser finds a user by name or number.
func readUser(user string, passwd io.Reader) (*identity, error) {
	number, numeric := parseID(user)
	var byNumber *identity
	for f := range accountLines(passwd, 7) {
		uid, ok1 := parseID(f[2])
		gid, ok2 := parseID(f[3])
		if !ok1 || !ok2 {
			continue
		}
		id := &identity{uid: uid, gid: gid, name: f[0], home: f[5]}
		if id.home == "" {
			id.home = "/"
		}
		if f[0] == user {
			return id, nil
		}
		if numeric && uid == number && byNumber == nil {
			byNumber = id
		}
	}
	switch {
	case byNumber != nil:
		return byNumber, nil
	case numeric:
		return &identity{uid: number, home: "/"}, nil
	}
	return nil, abi.Errorf(abi.CodeInvalidRequest, "user %.60q is not in the sandbox's %s", user, passwdFile).
		WithSuggestion("use a name that is there, or a number")
}

// readGroup finds a group by name or number.
func readGroup(group string, groups io.Reader) (uint32, error) {
	for f := range accountLines(groups, 4) {
		if gid, ok := parseID(f[2]); ok && f[0] == group {
			return gid, nil
		}
	}
	if gid, ok := parseID(group); ok {
		return gid, nil
	}
	return 0, abi.Errorf(abi.CodeInvalidRequest, "group %.60q is not in the sandbox's %s", group, groupFile).
		WithSuggestion("use a name that is there, or a number")
}

// groupsOf returns the groups that list the user as a member.
func groupsOf(name string, groups io.Reader) ([]uint32, error) {
	var gids []uint32
	if name == "" {
		return nil, nil
	}
	for f := range accountLines(groups, 4) {
		gid, ok := parseID(f[2])
		if ok && slices.Contains(strings.Split(f[3], ","), name) && len(gids) < maxGroups {
			gids = append(gids, gid)
		}
	}
	slices.Sort(gids)
	return slices.Compact(gids), nil
}

// accountLines yields the fields of the lines that have at least n of them.
func accountLines(r io.Reader, n int) func(func([]string) bool) {
	return func(yield func([]string) bool) {
		s := bufio.NewScanner(io.LimitReader(r, maxAccounts))
		s.Buffer(nil, maxAccounts) // a group's line can have many members
		for s.Scan() {
			f := strings.Split(s.Text(), ":")
			if len(f) >= n && f[0] != "" && !yield(f) {
				return
			}
		}
	}
}

// parseID reads a user's or a group's number. The largest means "no change" to
// the kernel and is none.
func parseID(s string) (uint32, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return uint32(n), err == nil && uint32(n) != ^uint32(0)
}

// openAccounts opens a table; one that is missing is empty. It does not wait for
// a named pipe that was put in its place.
func openAccounts(name string) (io.ReadCloser, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if os.IsNotExist(err) {
		return io.NopCloser(strings.NewReader("")), nil
	}
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, abi.Errorf(abi.CodePermissionDenied, "%s in the sandbox is not a regular file", name)
	}
	return f, nil
}

// findUser is lookupUser with the sandbox's tables.
func findUser(spec string) (*identity, error) {
	passwd, err := openAccounts(passwdFile)
	if err != nil {
		return nil, err
	}
	defer passwd.Close()
	groups, err := openAccounts(groupFile)
	if err != nil {
		return nil, err
	}
	defer groups.Close()
	return lookupUser(spec, passwd, groups)
}

// variables are what tells a command who it is.
func (id *identity) variables() map[string]string {
	vars := map[string]string{"HOME": id.home}
	if id.name != "" {
		vars["USER"], vars["LOGNAME"] = id.name, id.name
	}
	return vars
}
