// Package harden makes a machine harder to misuse, when somebody asks for it: settings of the kernel, owners and modes of Redoubt's files, rules of auditd.
// Each change is written into a journal before it is made, and can be taken back exactly, also after a crash half way. What somebody else has changed since
// is left alone and said.
package harden

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Host is a machine.
type Host struct {
	Root    string // before every path: "" is this machine
	Journal string // the file of changes, also below Root; "" is DefaultJournal
	Now     func() time.Time

	made func(change) error // for tests: called after each change, an error is a crash
}

// DefaultJournal is where the changes are written.
const DefaultJournal = stateDir + "/harden.journal"

// The results of an item.
const (
	Good   = "good"
	Wrong  = "wrong"
	Absent = "absent" // there is nothing on this machine that it is about
)

// Finding is how an item is on a machine.
type Finding struct {
	Item
	Status  string   `json:"status"`
	Details []string `json:"details,omitempty"` // what is not as it should be
	Applied bool     `json:"applied"`           // redoubt harden changed it
}

func (h *Host) at(path string) string { return filepath.Join(h.Root, path) }
func (h *Host) below(path string) string {
	return "/" + strings.TrimPrefix(strings.TrimPrefix(path, h.Root), "/")
}

func (h *Host) journal() string {
	if h.Journal != "" {
		return h.at(h.Journal)
	}
	return h.at(DefaultJournal)
}

// Select picks items by identifier; without any, all.
func Select(ids []string) ([]Item, error) {
	all := Items()
	if len(ids) == 0 {
		return all, nil
	}
	for _, id := range ids {
		if !slices.ContainsFunc(all, func(i Item) bool { return strings.EqualFold(i.ID, id) }) {
			return nil, fmt.Errorf("there is no item %q; `redoubt harden check` shows those there are", id)
		}
	}
	return slices.DeleteFunc(all, func(i Item) bool {
		return !slices.ContainsFunc(ids, func(id string) bool { return strings.EqualFold(i.ID, id) })
	}), nil
}

// Check looks at items and changes nothing.
func (h *Host) Check(items []Item) ([]Finding, error) {
	j, err := openJournal(h.journal(), false)
	if err != nil {
		return nil, err
	}
	made, err := j.read()
	if err := errors.Join(err, j.close()); err != nil {
		return nil, err
	}
	var out []Finding
	for _, i := range items {
		changes, seen, err := h.plan(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", i.ID, err)
		}
		f := Finding{Item: i, Status: Good, Applied: slices.ContainsFunc(made, func(c change) bool { return c.Item == i.ID })}
		if !seen {
			f.Status = Absent
		}
		for _, c := range changes {
			f.Status = Wrong
			f.Details = append(f.Details, c.String())
		}
		out = append(out, f)
	}
	return out, nil
}

// String says what a change does.
func (c change) String() string {
	if c.Kind == kindSetting {
		return fmt.Sprintf("%s: %q becomes %q", strings.ReplaceAll(strings.TrimPrefix(c.Path, "/proc/sys/"), "/", "."), text(c.Old.Content), text(c.New.Content))
	}
	switch {
	case !c.New.Exists:
		return c.Path + " is removed"
	case !c.Old.Exists:
		return c.Path + " is made"
	case c.New.Kept:
		return fmt.Sprintf("%s: mode %04o of user %d becomes %04o of user %d", c.Path, c.Old.Mode, c.Old.UID, c.New.Mode, c.New.UID)
	}
	return c.Path + " is rewritten"
}

func text(b []byte) string { return strings.TrimSpace(string(b)) }

// plan says what would have to be changed for an item, and whether there is anything on this machine that it is about.
func (h *Host) plan(i Item) (changes []change, seen bool, err error) {
	add := func(kind, path string, old, want state) {
		changes = append(changes, change{Time: h.Now().UTC(), Item: i.ID, Kind: kind, Path: path, Old: old, New: want})
	}
	var lines strings.Builder
	for _, key := range i.keys {
		path := "/proc/sys/" + key
		old, err := h.look(kindSetting, path, false)
		if err != nil {
			return nil, false, err
		}
		if !old.Exists {
			continue
		}
		seen = true
		if !i.good(text(old.Content)) {
			add(kindSetting, path, old, state{Exists: true, Content: []byte(i.value + "\n")})
			fmt.Fprintf(&lines, "%s = %s\n", strings.ReplaceAll(key, "/", "."), i.value)
		}
	}
	var targets []target
	if lines.Len() > 0 { // and after the next start of the machine
		head := "# Written by redoubt harden (" + i.ID + "); redoubt harden revert takes it away.\n"
		targets = []target{{path: "/etc/sysctl.d/90-redoubt-" + strings.ToLower(i.ID) + ".conf", content: []byte(head + lines.String()), mode: 0o644}}
	}
	if i.files != nil {
		if targets, err = i.files(h); err != nil {
			return nil, false, err
		}
	}
	for _, t := range targets {
		old, err := h.look(kindFile, t.path, t.content == nil)
		if err != nil {
			return nil, false, err
		}
		if !old.Exists && t.content == nil {
			continue
		}
		seen = true
		want := state{Exists: true, Content: t.content, Kept: t.content == nil, Mode: uint32(t.mode), UID: h.owner(), GID: old.GID}
		if t.content == nil {
			want.Mode = old.Mode &^ uint32(t.drop)
		} else {
			want.GID = h.owner()
		}
		if old.equal(want) {
			continue
		}
		if dir := filepath.Dir(t.path); t.content != nil && !old.Exists {
			was, err := h.look(kindDir, dir, true)
			if err != nil {
				return nil, false, err
			}
			if !was.Exists {
				add(kindDir, dir, was, state{Exists: true, Kept: true, Mode: 0o755, UID: h.owner(), GID: h.owner()})
			}
		}
		add(kindFile, t.path, old, want)
	}
	return changes, seen, nil
}

// owner is to whom the files belong: root, or in the files of an image that somebody else builds that user.
func (h *Host) owner() int {
	if h.Root == "" {
		return 0
	}
	return os.Getuid()
}

// look reads how something is now.
func (h *Host) look(kind, path string, kept bool) (state, error) {
	info, err := os.Lstat(h.at(path))
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return state{}, nil
	}
	if err != nil {
		return state{}, err
	}
	if info.Mode()&os.ModeSymlink != 0 {
		return state{}, fmt.Errorf("%s is a symbolic link, which is not followed", path)
	}
	s := state{Exists: true, Kept: kept}
	if kind != kindSetting {
		st, ok := info.Sys().(*syscall.Stat_t)
		if !ok {
			return s, fmt.Errorf("%s: its owner can not be read", path)
		}
		s.Mode, s.UID, s.GID = st.Mode&0o7777, int(st.Uid), int(st.Gid)
	}
	if !kept {
		s.Content, err = os.ReadFile(h.at(path))
	}
	return s, err
}

// make makes something what a state says.
func (h *Host) make(kind, path string, s state) error {
	at := h.at(path)
	switch {
	case kind == kindSetting:
		if err := os.WriteFile(at, s.Content, 0o644); err != nil {
			return err
		}
		now, err := os.ReadFile(at)
		if err == nil && text(now) != text(s.Content) {
			err = fmt.Errorf("%s is %q after %q was written", path, text(now), text(s.Content))
		}
		return err
	case !s.Exists:
		err := os.Remove(at)
		if kind == kindDir && errors.Is(err, syscall.ENOTEMPTY) {
			return nil // somebody else has put something into it: it is his now
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return syncDir(filepath.Dir(at))
	case kind == kindDir:
		if err := os.MkdirAll(at, 0o755); err != nil {
			return err
		}
		return errors.Join(os.Chown(at, s.UID, s.GID), syscall.Chmod(at, s.Mode))
	case s.Kept:
		return errors.Join(os.Chown(at, s.UID, s.GID), syscall.Chmod(at, s.Mode))
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return err
	}
	return replace(at, s.Content, os.FileMode(s.Mode), s.UID, s.GID)
}

// Apply applies items, and says what it changed. With dry it only says what it would change. One item that fails does not keep the others from being applied.
func (h *Host) Apply(items []Item, dry bool) (said []string, err error) {
	var j *journal
	if !dry {
		if j, err = openJournal(h.journal(), true); err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, j.close()) }()
		if _, err := j.read(); err != nil {
			return nil, err
		}
	}
	var errs []error
	for _, i := range items {
		changes, _, err := h.plan(i)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", i.ID, err))
			continue
		}
		for _, c := range changes {
			if !dry {
				if err := j.add(c); err != nil {
					return said, fmt.Errorf("%s: the journal can not be written, nothing more is changed: %w", i.ID, err)
				}
				if err := h.make(c.Kind, c.Path, c.New); err != nil {
					errs = append(errs, fmt.Errorf("%s: %w", i.ID, err))
					break
				}
				if h.made != nil {
					if err := h.made(c); err != nil {
						return said, err
					}
				}
			}
			said = append(said, i.ID+": "+c.String())
		}
	}
	return said, errors.Join(errs...)
}

// Revert takes back what was applied for items, the last change first, and says what it changed. What is neither as it was left nor as it was before was
// changed by somebody else: it is left alone and stays in the journal, unless force is given.
func (h *Host) Revert(items []Item, dry, force bool) (said []string, err error) {
	j, err := openJournal(h.journal(), false)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, j.close()) }()
	made, err := j.read()
	if err != nil || len(made) == 0 {
		return nil, err
	}
	var left []change
	var errs []error
	for _, c := range slices.Backward(made) {
		if !slices.ContainsFunc(items, func(i Item) bool { return i.ID == c.Item }) {
			left = append(left, c)
			continue
		}
		now, err := h.look(c.Kind, c.Path, c.New.Kept)
		gone := c.Kind == kindSetting || c.New.Kept // with the interface, or the file: nothing is to be taken back
		switch {
		case err == nil && (now.equal(c.Old) || !now.Exists && gone):
			continue
		case err == nil && !now.equal(c.New) && !force && !settled(c, now):
			err = fmt.Errorf("%s was changed by somebody else since; -F takes it back all the same", c.Path)
		case err == nil && !dry:
			if err = h.make(c.Kind, c.Path, c.Old); err == nil && h.made != nil {
				if err := h.made(c); err != nil {
					return said, err
				}
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Item, err))
			left = append(left, c)
			continue
		}
		said = append(said, c.Item+": "+change{Kind: c.Kind, Path: c.Path, Old: c.New, New: c.Old}.String())
	}
	if !dry {
		slices.Reverse(left)
		errs = append(errs, j.keep(left))
	}
	return said, errors.Join(errs...)
}

// settled: a setting reads as it was written but for the white space at its end.
func settled(c change, now state) bool {
	return c.Kind == kindSetting && now.Exists && text(now.Content) == text(c.New.Content)
}
