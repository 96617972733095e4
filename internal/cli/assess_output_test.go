package cli

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"redoubt/internal/fault"
)

// In a directory where others may make files, a link or a pipe of somebody else's leads nowhere, and a file of his does not say who reads what is written.
func TestReplaceFileOfAnother(t *testing.T) {
	dir, root := t.TempDir(), t.TempDir()
	if err := os.Chmod(dir, os.ModeSticky|0o777); err != nil {
		t.Fatal(err)
	}
	const other = 64125
	kept := filepath.Join(root, "shadow")
	link, pipe, file, mine := filepath.Join(dir, "link"), filepath.Join(dir, "pipe"), filepath.Join(dir, "file"), filepath.Join(dir, "mine")
	for _, err := range []error{
		os.WriteFile(kept, []byte("kept"), 0o600), os.Symlink(kept, link), syscall.Mkfifo(pipe, 0o666), os.WriteFile(file, nil, 0o600), os.Chmod(file, 0o666), os.Symlink(kept, mine),
		os.Lchown(link, other, other), os.Lchown(pipe, other, other), os.Lchown(file, other, other),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	write := func(w io.Writer) error {
		_, err := io.WriteString(w, "report")
		return err
	}
	for _, name := range []string{link, pipe} {
		if err := replaceFile(name, write); !fault.Is(err, fault.Denied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if text, err := os.ReadFile(kept); err != nil || string(text) != "kept" {
		t.Errorf("what another's link leads to was written over: %q, %v", text, err)
	}
	if err := replaceFile(file, write); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others read what was written: %v, %v", info.Mode(), err)
	}
	if err := replaceFile(mine, write); err != nil {
		t.Errorf("through a link of one's own: %v", err)
	}
}
