package cli

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"redoubt/internal/fault"
)

// deliver writes to a file, or to standard output where none is named. A file is written whole or not at all, and never over one that was read.
func (in inputs) deliver(e Env, name string, write func(io.Writer) error) error {
	if name == "" || name == "-" {
		w := bufio.NewWriter(e.Stdout)
		if err := write(w); err != nil {
			return err
		}
		return w.Flush()
	}
	if info, err := os.Stat(name); err == nil {
		if info.IsDir() {
			return fault.Errorf(fault.Invalid, "%s is a directory; --output wants the name of a file", name)
		}
		for _, read := range in {
			if other, err := os.Stat(read); err == nil && os.SameFile(info, other) {
				return fault.Errorf(fault.Invalid, "%s is what is read from; nothing was written over it. Give --output another name", name)
			}
		}
	}
	return replaceFile(name, write)
}

// replaceFile writes a file beside another and puts it in its place when it is whole. A new file is readable by its owner alone: it tells where a system is weak. Where others may make
// files too, as in /tmp, one of theirs is no say in where that goes or who reads it: see planted.
func replaceFile(name string, write func(io.Writer) error) (err error) {
	theirs, err := planted(name)
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real // a link stays one
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() {
			return writeThrough(name, write)
		}
		if !theirs {
			mode = info.Mode().Perm()
		}
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fault.Errorf(fault.Internal, "%s can not be written: %w", name, plainPathError(err))
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	w := bufio.NewWriter(f)
	if err := write(w); err != nil {
		return err
	}
	if err := errors.Join(w.Flush(), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return fault.Errorf(fault.Internal, "%s can not be written: %w", name, plainPathError(err))
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return fault.Errorf(fault.Internal, "%s can not be written: %w", name, err)
	}
	return nil
}

// planted reports whether a file is somebody else's, in a directory where others may make files. A link or a pipe of theirs there is refused: it would lead root to whatever they like, and
// the kernel, which does not follow such a link by itself, can not see what becomes of one that was looked up.
func planted(name string) (theirs bool, err error) {
	info, err := os.Lstat(name)
	if err != nil {
		return false, nil // there is none, or it can not be looked at: then it can not be written either
	}
	dir, err := os.Stat(filepath.Dir(name))
	if err != nil {
		return false, nil
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	in, known := dir.Sys().(*syscall.Stat_t)
	if !ok || !known || dir.Mode().Perm()&0o022 == 0 || file.Uid == 0 || file.Uid == in.Uid || int64(file.Uid) == int64(os.Geteuid()) {
		return false, nil
	}
	if !info.Mode().IsRegular() {
		return false, fault.Errorf(fault.Denied, "%s belongs to another user (%d) and is no plain file, in a directory where others may make files: nothing was written. Remove it, or give another name", name, file.Uid)
	}
	return true, nil
}

// writeThrough writes to what is no file, such as a pipe.
func writeThrough(name string, write func(io.Writer) error) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return fault.Errorf(fault.Internal, "%s can not be written: %w", name, plainPathError(err))
	}
	w := bufio.NewWriter(f)
	return errors.Join(write(w), w.Flush(), f.Close())
}
