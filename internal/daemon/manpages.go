package daemon

import (
	"os"
	"path/filepath"
	"slices"

	"redoubt/internal/fault"
)

// manPages are the man pages of redoubtd and its sub-programs, by the names of their files.
func manPages() map[string]string {
	out := map[string]string{}
	for _, p := range programs() {
		if p.name != "version" {
			out[p.page()+".8"] = p.manPage()
		}
	}
	return out
}

// writeManPages makes dir hold the man pages of redoubtd, and no others of it.
func writeManPages(dir string) error {
	pages := manPages()
	old, err := filepath.Glob(filepath.Join(dir, "redoubtd*.8"))
	if err != nil {
		return fault.Errorf(fault.Internal, "look for pages of sub-programs that there are no more: %w", err)
	}
	for _, path := range old {
		if _, still := pages[filepath.Base(path)]; !still {
			if err := os.Remove(path); err != nil {
				return fault.Errorf(fault.Internal, "remove the page of a sub-program that there is no more: %w", err)
			}
		}
	}
	for name, text := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fault.Errorf(fault.Internal, "write the man pages: %w", err)
		}
	}
	return nil
}

// described finds the sub-program that a word names.
func described(word string) (program, bool) {
	list := programs()
	i := slices.IndexFunc(list, func(p program) bool { return p.name == word })
	if i < 0 {
		return list[0], false
	}
	return list[i], true
}
