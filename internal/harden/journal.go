package harden

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// The kinds of changes.
const (
	kindSetting = "setting" // the value of a kernel setting
	kindFile    = "file"    // content, owner and mode of a file
	kindDir     = "folder"  // a folder that a file is put into; it is never looked into
)

// state is how something is: a kernel setting or a file.
type state struct {
	Exists  bool   `json:"exists"`
	Content []byte `json:"content,omitempty"` // also of a setting; nil with Kept: it is not touched
	Kept    bool   `json:"kept,omitempty"`
	Mode    uint32 `json:"mode,omitempty"`
	UID     int    `json:"uid,omitempty"`
	GID     int    `json:"gid,omitempty"`
}

func (s state) equal(o state) bool {
	if s.Exists != o.Exists {
		return false
	}
	return !s.Exists || s.Mode == o.Mode && s.UID == o.UID && s.GID == o.GID && (s.Kept || o.Kept || bytes.Equal(s.Content, o.Content))
}

// change is one line of the journal: what was, and what was made of it.
type change struct {
	Time time.Time `json:"time"`
	Item string    `json:"item"`
	Kind string    `json:"kind"`
	Path string    `json:"path"`
	Old  state     `json:"old"`
	New  state     `json:"new"`
}

// journal is the file of changes. A change is in it, on the disk, before it is made; so whatever was changed can be taken back, and a line whose change
// was not made any more says so by what it finds: the old state.
type journal struct {
	path string
	file *os.File
}

// openJournal opens the journal and keeps every other process out. With create it is made when there is none; without, file is nil then.
func openJournal(path string, create bool) (*journal, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, err
		}
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrNotExist) && !create {
		return &journal{path: path}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another `redoubt harden` is at work: %w", err)
	}
	return &journal{path, f}, nil
}

func (j *journal) close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// read gives the changes. A last line without an end is one that broke off while it was written: its change was not made, and it is cut off.
func (j *journal) read() ([]change, error) {
	if j.file == nil {
		return nil, nil
	}
	if _, err := j.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(j.file)
	if err != nil {
		return nil, err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	if whole < len(text) {
		if err := j.file.Truncate(int64(whole)); err != nil {
			return nil, err
		}
	}
	var out []change
	for n, line := range bytes.Split(bytes.TrimSuffix(text[:whole], []byte("\n")), []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		var c change
		if err := json.Unmarshal(line, &c); err != nil {
			return nil, fmt.Errorf("line %d of %s: %w", n+1, j.path, err)
		}
		out = append(out, c)
	}
	_, err = j.file.Seek(0, io.SeekEnd)
	return out, err
}

// add writes a change and returns when it is on the disk.
func (j *journal) add(c change) error {
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if _, err := j.file.Write(append(line, '\n')); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return err
	}
	return syncDir(filepath.Dir(j.path))
}

// keep replaces the journal by the changes that are left; without any the file goes.
func (j *journal) keep(left []change) error {
	if len(left) == 0 {
		if err := os.Remove(j.path); err != nil {
			return err
		}
		return syncDir(filepath.Dir(j.path))
	}
	var b bytes.Buffer
	for _, c := range left {
		line, err := json.Marshal(c)
		if err != nil {
			return err
		}
		b.Write(append(line, '\n'))
	}
	return replace(j.path, b.Bytes(), 0o600, 0, 0)
}

// replace writes a file under its name only when it is whole and on the disk.
func replace(path string, content []byte, mode os.FileMode, uid, gid int) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".redoubt-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chown(uid, gid), f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	return err
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
