package world

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"go.yaml.in/yaml/v3"
)

// openData makes the data folder and takes its lock: one folder, one world.
func (d *Dev) openData() (err error) {
	if d.data, err = filepath.Abs(d.data); err != nil {
		return err
	}
	// The data folder stays open to others: PostgreSQL runs as another user when this
	// program is root. What only this user may read has a folder of its own.
	secrets := filepath.Join(d.data, "secrets")
	if err := os.MkdirAll(secrets, 0o755); err != nil {
		return err
	}
	if err := os.Chmod(secrets, 0o700); err != nil {
		return err
	}

	path := filepath.Join(d.data, "dev.lock")
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	// The kernel lifts this lock with the process, however it ends; a file that only names
	// the process would have to be removed by hand after a kill.
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := os.ReadFile(path) // the number only helps
		_ = lock.Close()
		return fmt.Errorf("%s is in use by another caselink dev (process %s): stop it, or choose another folder with --data",
			d.data, pid)
	}
	d.lock = lock
	if err := lock.Truncate(0); err != nil {
		return err
	}
	if _, err := lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return err
	}

	// The dev.json of one that was killed names processes that are gone.
	return d.withdraw()
}

// readSeed is what all secrets of this world derive from; it is drawn once.
func readSeed(data string) (string, error) {
	path := filepath.Join(data, "secrets", "seed")
	seed, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		seed = []byte(rand.Text())
		err = writeAtomically(path, seed)
	}
	return string(seed), err
}

// secretOf is the client's secret.
func secretOf(seed, client string) string {
	mac := hmac.New(sha256.New, []byte(seed))
	mac.Write([]byte(client))
	return hex.EncodeToString(mac.Sum(nil))
}

func writeYAML(path, comment string, v any) error {
	text, err := yaml.Marshal(v)
	if err != nil {
		return err
	}
	return writeAtomically(path, append([]byte("# "+comment+"\n"), text...))
}

// writeAtomically replaces the file: a reader sees the old one or the new one.
// Only its owner may read it.
func writeAtomically(path string, text []byte) error {
	draft, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name()) // gone already when all went well
	if _, err := draft.Write(text); err != nil {
		return err
	}
	if err := draft.Close(); err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}
