package cluster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// maxSocketPath is the longest path of a unix socket, without its closing NUL.
const maxSocketPath = 107

const socketName = "/.s.PGSQL." + port

// serverAs is the user that the server runs as. PostgreSQL refuses to run as root.
type serverAs struct {
	uid, gid uint32
	change   bool // we are root, and become the user
}

// serverUser is ourselves, or when we are root: the owner of the data that is there,
// else postgres, else nobody.
func serverUser(dir string) (serverAs, error) {
	if os.Geteuid() != 0 {
		return serverAs{uid: uint32(os.Getuid()), gid: uint32(os.Getgid())}, nil
	}

	// The owner of the data before anything else: PostgreSQL serves no folder of another.
	if info, err := os.Stat(filepath.Join(dir, homeLink, "data")); err == nil {
		return ownerOf(info), nil
	}
	if info, err := os.Stat(filepath.Join(dir, "data")); err == nil {
		return ownerOf(info), nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return parseUser(u)
		}
	}
	return serverAs{}, errors.New("PostgreSQL does not run as root, and there is no user postgres or nobody")
}

func ownerOf(info fs.FileInfo) serverAs {
	stat := info.Sys().(*syscall.Stat_t) // always, on Linux
	return serverAs{uid: stat.Uid, gid: stat.Gid, change: true}
}

func parseUser(u *user.User) (serverAs, error) {
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return serverAs{}, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return serverAs{uid: uint32(uid), gid: uint32(gid), change: true}, err
}

func (u serverAs) sysProcAttr() *syscall.SysProcAttr {
	if !u.change {
		return nil
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: u.uid, Gid: u.gid}}
}

// makeDir makes a folder that nobody but the user and root may enter.
func (u serverAs) makeDir(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if !u.change {
		return nil
	}
	return os.Chown(dir, int(u.uid), int(u.gid))
}

// homeLink is the name, in a cluster's folder, of the link to where it really is.
const homeLink = "home"

// home is where data and socket stand: dir itself, or a folder of its own below
// /var/tmp when the server's user cannot get into dir, such as one below /root, or
// when its path is too long for a socket. A link in dir leads there, so that a dir
// that was removed begins anew.
func home(dir string, u serverAs) (string, error) {
	link := filepath.Join(dir, homeLink)
	if target, err := os.Readlink(link); err == nil {
		return target, os.MkdirAll(target, 0o711)
	}
	if len(dir+"/socket"+socketName) <= maxSocketPath && u.reaches(dir) {
		return dir, nil
	}
	return moveHome(dir, link)
}

// belongsTo is the name, in a moved home, of the link back to the folder that it is for.
const belongsTo = "belongs-to"

// moveHome makes a home below /var/tmp, and removes those whose folder is gone.
func moveHome(dir, link string) (string, error) {
	target, err := os.MkdirTemp("/var/tmp", "caselink-")
	if err != nil {
		return "", err
	}

	// MkdirTemp lets in only the user who made it, and the server's user has to pass through.
	if err := os.Chmod(target, 0o711); err != nil {
		return "", err
	}
	if err := os.Symlink(target, link); err != nil {
		return "", fmt.Errorf("keep PostgreSQL's data in %s: %w", target, err)
	}
	if err := os.Symlink(dir, filepath.Join(target, belongsTo)); err != nil {
		return "", err
	}

	// Nobody else would ever remove the home of a folder that was deleted.
	backs, _ := filepath.Glob("/var/tmp/caselink-*/" + belongsTo) // the pattern is well-formed
	for _, back := range backs {
		if home := filepath.Dir(back); abandoned(home) {
			_ = os.RemoveAll(home) // what cannot be removed stays
		}
	}
	return target, nil
}

// abandoned reports whether the moved home is ours and its folder no longer leads to it.
func abandoned(home string) bool {
	// Anyone may make such a folder below /var/tmp, or a link that has its name.
	info, err := os.Lstat(home)
	if err != nil || !info.IsDir() || ownerOf(info).uid != uint32(os.Geteuid()) {
		return false
	}
	now, err := os.Readlink(filepath.Join(home, belongsTo, homeLink))
	return errors.Is(err, fs.ErrNotExist) || err == nil && now != home
}

// reaches reports whether the user may pass through every folder on the way to dir.
func (u serverAs) reaches(dir string) bool {
	if !u.change {
		return true
	}
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil || !u.enters(info) {
			return false
		}
		if dir == "/" {
			return true
		}
	}
}

func (u serverAs) enters(dir fs.FileInfo) bool {
	owner := ownerOf(dir)
	switch {
	case owner.uid == u.uid:
		return dir.Mode()&0o100 != 0
	case owner.gid == u.gid:
		return dir.Mode()&0o010 != 0
	default:
		return dir.Mode()&0o001 != 0
	}
}
