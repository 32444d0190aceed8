package docker

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/errdefs"
)

const (
	// tenantID is the user and the group of sandboxes whose image names no other
	// user than root.
	tenantID = 10001
	rootUser = "0:0"
	// maxAccounts bounds how much of an image's /etc/passwd is read, maxID the
	// numbers in it.
	maxAccounts = 1 << 20
	maxID       = 1<<32 - 2
)

// account is a user of an image.
type account struct {
	uid, gid uint32
	home     string // "" if the image has no such user
}

func (a account) String() string { return fmt.Sprintf("%d:%d", a.uid, a.gid) }

// account finds whom the sandbox of an image runs as: the image's user by number,
// unless that is root. The container is one of the image.
func (r *Runtime) account(ctx context.Context, id, user string) (account, error) {
	tenant := account{uid: tenantID, gid: tenantID}
	name, group, _ := strings.Cut(user, ":")
	if name == "" {
		return tenant, nil
	}
	var found account
	err := r.withFile(ctx, id, "/etc/passwd", func(f io.Reader) (err error) {
		found, err = findAccount(io.LimitReader(f, maxAccounts), name)
		return err
	})
	if err != nil && !errdefs.IsNotFound(err) {
		return found, err
	}
	if n, nerr := strconv.ParseUint(name, 10, 32); nerr == nil && found == (account{}) {
		found = account{uid: uint32(n), gid: uint32(n)}
	} else if found == (account{}) {
		return found, fmt.Errorf("the image runs as user %q, whom its /etc/passwd does not know", name)
	}
	if n, err := strconv.ParseUint(group, 10, 32); err == nil {
		found.gid = uint32(n)
	}
	if found.uid == 0 || found.uid > maxID || found.gid == 0 || found.gid > maxID {
		return tenant, nil
	}
	return found, nil
}

// findAccount looks a user up by name or number in a passwd(5) file; the zero
// account if it has none.
func findAccount(r io.Reader, name string) (account, error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxAccounts)
	for s.Scan() {
		f := strings.Split(s.Text(), ":")
		if len(f) < 6 || f[0] != name && f[2] != name {
			continue
		}
		uid, err := strconv.ParseUint(f[2], 10, 32)
		gid, gerr := strconv.ParseUint(f[3], 10, 32)
		if err == nil && gerr == nil {
			return account{uid: uint32(uid), gid: uint32(gid), home: f[5]}, nil
		}
	}
	return account{}, s.Err()
}

// withFile gives the file of a container to do.
func (r *Runtime) withFile(ctx context.Context, id, name string, do func(io.Reader) error) error {
	return r.call(ctx, callTimeout, func(ctx context.Context) error {
		content, _, err := r.client.CopyFromContainer(ctx, id, name)
		if err != nil {
			return err
		}
		defer content.Close()
		files := tar.NewReader(content)
		h, err := files.Next()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			return nil
		}
		return do(files)
	})
}

// give gives /workspace of a stopped container, with all that is in it, to a
// user. The engine made the folder if the image has none.
func (r *Runtime) give(ctx context.Context, id string, who account) error {
	// In a file in between: an engine that is sending an archive of a container
	// keeps all else from it.
	spool, err := os.CreateTemp("", "edge-workspace-*")
	if err != nil {
		return err
	}
	defer spool.Close()
	if err := os.Remove(spool.Name()); err != nil {
		return err
	}
	err = r.call(ctx, commitTimeout, func(ctx context.Context) error {
		content, _, err := r.client.CopyFromContainer(ctx, id, workspaceTarget)
		if errdefs.IsNotFound(err) { // podman makes it when the container starts
			return emptyWorkspace(spool, who)
		}
		if err != nil {
			return err
		}
		defer content.Close()
		return rewriteOwner(spool, content, who)
	})
	if err == nil {
		_, err = spool.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = r.call(ctx, commitTimeout, func(ctx context.Context) error {
			return r.client.CopyToContainer(ctx, id, "/", spool, container.CopyToContainerOptions{})
		})
	}
	if err != nil {
		return fmt.Errorf("give %s to user %s: %w", workspaceTarget, who, err)
	}
	return nil
}

// emptyWorkspace writes an archive of an empty folder.
func emptyWorkspace(w io.Writer, who account) error {
	to := tar.NewWriter(w)
	err := to.WriteHeader(&tar.Header{
		Name: workspaceTarget[1:] + "/", Typeflag: tar.TypeDir, Mode: 0o755, Uid: int(who.uid), Gid: int(who.gid),
	})
	return errors.Join(err, to.Close())
}

// rewriteOwner copies an archive whose root is the folder workspace.
func rewriteOwner(w io.Writer, r io.Reader, who account) error {
	from, to := tar.NewReader(r), tar.NewWriter(w)
	for {
		h, err := from.Next()
		if err == io.EOF {
			return to.Close()
		}
		if err != nil {
			return err
		}
		if name := path.Clean(h.Name); name != workspaceTarget[1:] && !strings.HasPrefix(name, workspaceTarget[1:]+"/") {
			return fmt.Errorf("unexpected %q in the archive", h.Name)
		}
		h.Uid, h.Gid, h.Uname, h.Gname = int(who.uid), int(who.gid), "", ""
		h.Format = tar.FormatPAX
		if err := to.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.Copy(to, from); err != nil {
			return err
		}
	}
}
