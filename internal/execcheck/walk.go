// Package execcheck looks at who could have written a program, on the very files that are then executed.
//
// A path is walked component by component with descriptors: each directory is opened relative to the one before, never followed by the kernel through a
// symbolic link, and looked at through its descriptor. Where a directory belongs to root and nobody else may write it, nobody else can put another thing
// in the place of what is opened in it next; so one walk proves the whole way, and what is at its end stays open until it has been executed. What the
// facts mean is decided in internal/rgm/execsec.
package execcheck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// Bounds of a walk.
const (
	maxLinks      = 40
	maxComponents = 256
)

// trail is a walked path: what lies on the way, and what is at its end, held open with O_PATH.
type trail struct {
	facts []execsec.Fact
	end   *os.File
	path  string // of the end, without links
}

func (t *trail) close() {
	if t.end != nil {
		_ = t.end.Close()
	}
}

// last is the fact about the end.
func (t *trail) last() execsec.Fact { return t.facts[len(t.facts)-1] }

type step struct {
	file *os.File
	path string
}

// walk follows an absolute path.
func walk(path string) (*trail, error) {
	if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) || len(path) >= unix.PathMax {
		return nil, fault.Errorf(fault.Invalid, "%q is not an absolute path", path)
	}
	root, err := os.OpenFile("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "open /: %w", err)
	}
	w := walker{steps: []step{{root, "/"}}}
	defer w.close()
	if err := w.note(w.steps[0]); err != nil {
		return nil, err
	}
	rest := strings.Split(path, "/")
	for n := 0; len(rest) > 0; n++ {
		if n > maxComponents {
			return nil, fault.Errorf(fault.Invalid, "%s: the path has more than %d components", path, maxComponents)
		}
		name := rest[0]
		rest = rest[1:]
		target, err := w.take(name)
		if err != nil {
			return nil, fault.Errorf(codeOf(err), "%s: %w", path, err)
		}
		if target == "" {
			continue
		}
		if w.links++; w.links > maxLinks {
			return nil, fault.Errorf(fault.Invalid, "%s: more than %d symbolic links", path, maxLinks)
		}
		if filepath.IsAbs(target) {
			w.up(len(w.steps) - 1)
		}
		rest = append(strings.Split(target, "/"), rest...)
	}
	end := w.steps[len(w.steps)-1]
	w.steps = w.steps[:len(w.steps)-1]
	// The end's fact is the last; a path that goes up again had noted it before.
	w.facts = append(w.facts, w.seen[end.path])
	return &trail{facts: w.facts, end: end.file, path: end.path}, nil
}

type walker struct {
	steps []step
	facts []execsec.Fact
	seen  map[string]execsec.Fact
	links int
}

func (w *walker) close() { w.up(len(w.steps)) }

// up gives back the last n steps.
func (w *walker) up(n int) {
	for ; n > 0; n-- {
		_ = w.steps[len(w.steps)-1].file.Close()
		w.steps = w.steps[:len(w.steps)-1]
	}
}

// take goes one component on. It returns the target when that is a symbolic link, which it does not follow.
func (w *walker) take(name string) (link string, err error) {
	at := w.steps[len(w.steps)-1]
	switch name {
	case "", ".":
		return "", nil
	case "..":
		if len(w.steps) > 1 {
			w.up(1)
		}
		return "", nil
	}
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_BENEATH}
	fd, err := unix.Openat2(int(at.file.Fd()), name, &how)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(at.path, name), err)
	}
	s := step{os.NewFile(uintptr(fd), name), filepath.Join(at.path, name)}
	if err := w.note(s); err != nil {
		_ = s.file.Close()
		return "", err
	}
	if w.seen[s.path].Kind != execsec.Link {
		w.steps = append(w.steps, s)
		return "", nil
	}
	defer s.file.Close()
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", buf)
	if err != nil || n <= 0 || n >= len(buf) {
		return "", fmt.Errorf("read symbolic link %s: %w", s.path, errors.Join(err, unix.EINVAL))
	}
	return string(buf[:n]), nil
}

// note looks at a step.
func (w *walker) note(s step) error {
	f, err := look(s.file, s.path)
	if err != nil {
		return err
	}
	if w.seen == nil {
		w.seen = map[string]execsec.Fact{}
	}
	w.seen[s.path] = f
	w.facts = append(w.facts, f)
	return nil
}

// look gives the fact about what a descriptor stands for.
func look(f *os.File, path string) (execsec.Fact, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return execsec.Fact{}, fmt.Errorf("%s: %w", path, err)
	}
	var fs unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &fs); err != nil {
		return execsec.Fact{}, fmt.Errorf("%s: %w", path, err)
	}
	out := execsec.Fact{Path: path, UID: int(st.Uid), GID: int(st.Gid), Mode: st.Mode & 0o7777, Kind: execsec.Other}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		out.Kind = execsec.Directory
	case unix.S_IFREG:
		out.Kind = execsec.File
	case unix.S_IFLNK:
		out.Kind = execsec.Link
	}
	switch fs.Type {
	case unix.PROC_SUPER_MAGIC:
		return out, fault.Errorf(fault.Invalid, "%s: a path through /proc leads to where a process says; give the path of the file itself", path)
	case fuseMagic:
		out.MountedBy, out.Remote = mountedBy(f)
	}
	if name, ok := networks[uint32(fs.Type)]; ok { // the upper half is only the sign of a number of 32 bits
		out.Remote = name
	}
	if out.Kind == execsec.Link {
		return out, nil
	}
	if err := lists(f, &out); err != nil {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

const fuseMagic = 0x65735546

// nobody is whom a file system in user space is taken to belong to when that can not be found out: nobody is trusted.
const nobody = 65534

// networks are the network file systems, by what statfs says of them. Cluster file systems on shared disks are none: their nodes are this cluster's.
var networks = map[uint32]string{
	unix.NFS_SUPER_MAGIC: "NFS", unix.SMB_SUPER_MAGIC: "SMB", unix.CIFS_SUPER_MAGIC: "CIFS", unix.SMB2_SUPER_MAGIC: "SMB", unix.AFS_SUPER_MAGIC: "AFS", unix.AFS_FS_MAGIC: "AFS",
	unix.V9FS_MAGIC: "9P", unix.CEPH_SUPER_MAGIC: "Ceph", unix.CODA_SUPER_MAGIC: "Coda", 0x0bd00bd0: "Lustre", 0x19830326: "BeeGFS",
}

// overFUSE are network file systems that run in user space, by the beginning of the type in the table of mounts.
var overFUSE = []string{"fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.davfs", "fuse.curlftpfs", "fuse.gcsfuse", "fuse.mfs", "fuse.juicefs"}

// mountedBy finds the user who mounted the file system in user space that a descriptor lies on, and what kind of network file system it is, "" for none.
func mountedBy(f *os.File) (user int, remote string) {
	var stx unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_MNT_ID, &stx); err != nil || stx.Mask&unix.STATX_MNT_ID == 0 {
		return nobody, ""
	}
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nobody, ""
	}
	return ofMount(string(b), strconv.FormatUint(stx.Mnt_id, 10))
}

// ofMount looks a mount up in the table of mounts.
func ofMount(table, id string) (user int, remote string) {
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, id+" ") {
			continue
		}
		_, options, _ := strings.Cut(line, " - ")
		for _, kind := range overFUSE {
			if strings.HasPrefix(options, kind) {
				remote = kind
			}
		}
		for o := range strings.SplitSeq(strings.TrimSpace(options), ",") {
			if _, after, ok := strings.Cut(o, "user_id="); ok {
				if uid, err := strconv.Atoi(after); err == nil {
					return uid, remote
				}
			}
		}
		return nobody, remote
	}
	return nobody, ""
}

func codeOf(err error) fault.Code {
	switch {
	case errors.Is(err, unix.ENOENT):
		return fault.NotFound
	case fault.Is(err, fault.Invalid):
		return fault.Invalid
	}
	return fault.Precondition
}

// self is the name under which this process reaches what a descriptor stands for.
func self(f *os.File) string { return "/proc/self/fd/" + strconv.Itoa(int(f.Fd())) }
