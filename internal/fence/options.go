package fence

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/model"
)

// options are what an agent is given for a node.
type options struct {
	action string
	values map[string]string // without the action
	secret map[string]bool   // which of them came from the secrets file
	stdin  string            // the lines of values
	mask   masker
}

var optionName = regexp.MustCompile(`^[a-z0-9][a-z0-9_]*$`)

// canonical gives an option's name as agents expect it on standard input.
func canonical(name string) string { return strings.ReplaceAll(strings.ToLower(name), "-", "_") }

// secretName reports whether an option's name says that its value is a secret. The path of a program or file that has the secret is none.
func secretName(name string) bool {
	for _, end := range []string{"_script", "_file", "_path", "_url"} {
		if strings.HasSuffix(name, end) {
			return false
		}
	}
	for _, word := range []string{"passw", "secret", "token"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// options collects the options of a node from its record and its secrets file.
func (f *Fencer) options(node model.Node) (options, error) {
	o := options{action: actionOff, values: map[string]string{}, secret: map[string]bool{}}
	wrong := func(format string, args ...any) error {
		return fault.Errorf(fault.Invalid, "fence agent of node %s: "+format, append([]any{node.Name}, args...)...)
	}
	add := func(name, value string) error {
		name = canonical(name)
		_, twice := o.values[name]
		switch {
		case !optionName.MatchString(name):
			return wrong("%q is no name of an option", name)
		case twice:
			return wrong("option %s is given twice", name)
		case strings.ContainsAny(value, "\n\r\x00"):
			return wrong("the value of option %s has more than one line", name)
		case strings.TrimSpace(value) != value:
			return wrong("the value of option %s begins or ends with a space, which agents cut off", name)
		}
		o.values[name] = value
		return nil
	}
	for _, p := range node.Fence.Options {
		if len(p.Values) != 1 {
			return o, wrong("option %s has %d values; it needs one", p.Name, len(p.Values))
		}
		if err := add(p.Name, p.Values[0]); err != nil {
			return o, err
		}
	}
	secrets, err := f.secrets(node.Name)
	if err != nil {
		return o, err
	}
	for _, s := range secrets {
		if err := add(s[0], s[1]); err != nil {
			return o, err
		}
		o.secret[canonical(s[0])] = true
	}
	if a, ok := o.values["action"]; ok {
		if o.action = strings.ToLower(a); o.action != actionOff && o.action != actionReboot {
			return o, wrong("action %q: want off or reboot", a)
		}
		delete(o.values, "action")
	}
	var hidden []string
	names := make([]string, 0, len(o.values))
	for name, value := range o.values {
		names = append(names, name)
		if o.secret[name] || secretName(name) {
			hidden = append(hidden, value)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		o.stdin += name + "=" + o.values[name] + "\n"
	}
	o.mask = newMasker(hidden)
	return o, nil
}

func (f *Fencer) secretFile(node cluster.NodeName) string {
	return filepath.Join(f.cfg.SecretDir, string(node))
}

const maxSecretFile = 64 << 10

// secrets reads the secrets file of a node; a file that does not exist has none. Errors do not repeat what is in it.
func (f *Fencer) secrets(node cluster.NodeName) ([][2]string, error) {
	if f.cfg.SecretDir == "" {
		return nil, nil
	}
	if err := cluster.CheckName("node", string(node)); err != nil {
		return nil, fault.Errorf(fault.Invalid, "secrets of a fence agent: %w", err)
	}
	path := f.secretFile(node)
	// Not through a symbolic link, and without waiting at a pipe.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil
	case errors.Is(err, unix.ELOOP):
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %s is a symbolic link; put the file itself there", path)
	case err != nil:
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %w", err)
	}
	defer file.Close()
	var st unix.Stat_t
	rc, err := file.SyscallConn()
	if err == nil {
		cerr := rc.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) })
		err = errors.Join(err, cerr)
	}
	if err != nil {
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %s: %w", path, err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %s is not a plain file", path)
	case st.Uid != 0:
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %s belongs to user %d, who can read and change it; run: chown root %s", path, st.Uid, path)
	case st.Mode&0o077 != 0:
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %s can be read or changed by others than root (mode %04o); run: chmod 600 %s", path, st.Mode&0o7777, path)
	}
	b, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, fault.Errorf(fault.Denied, "secrets of a fence agent: %w", err)
	}
	if len(b) > maxSecretFile {
		return nil, fault.Errorf(fault.Invalid, "secrets of a fence agent: %s is longer than %d bytes", path, maxSecretFile)
	}
	out, line := parseSecrets(b)
	if line != 0 {
		return nil, fault.Errorf(fault.Invalid, "secrets of a fence agent: line %d of %s is not NAME=VALUE", line, path)
	}
	return out, nil
}

// parseSecrets reads lines NAME=VALUE; empty lines and those that begin with # are passed over. It returns the number of a line that is neither, or 0.
func parseSecrets(b []byte) (out [][2]string, bad int) {
	n := 0
	for line := range bytes.Lines(b) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(string(line), "=")
		name = strings.TrimSpace(name)
		if !ok || !optionName.MatchString(canonical(name)) {
			return nil, n
		}
		out = append(out, [2]string{name, strings.TrimSpace(value)})
	}
	return out, 0
}

// masker hides secrets in text.
type masker struct {
	forms   []string // the longest first
	replace *strings.Replacer
}

const masked = "***"

// newMasker hides values as they are and as programs often write them: quoted, in a URL, in a header.
func newMasker(values []string) masker {
	m := masker{}
	for _, v := range values {
		if v == "" {
			continue
		}
		quoted := strconv.Quote(v)
		m.forms = append(m.forms, v, quoted[1:len(quoted)-1], url.QueryEscape(v), url.PathEscape(v), base64.StdEncoding.EncodeToString([]byte(v)))
	}
	slices.SortFunc(m.forms, func(a, b string) int { return len(b) - len(a) }) // a longer one may contain a shorter one
	var pairs []string
	for _, f := range m.forms {
		pairs = append(pairs, f, masked)
	}
	m.replace = strings.NewReplacer(pairs...)
	return m
}

// hide masks text. Its end may have been cut off in the middle of a secret: such a beginning is masked too.
func (m masker) hide(text string) string {
	if m.replace == nil {
		return text
	}
	text = m.replace.Replace(text)
	tail := 0
	for _, f := range m.forms {
		for n := min(len(f)-1, len(text)); n > tail; n-- {
			if strings.HasSuffix(text, f[:n]) {
				tail = n
			}
		}
	}
	if tail > 0 {
		text = text[:len(text)-tail] + masked
	}
	return text
}
