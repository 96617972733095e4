// Package record remembers for each resource what its driver has to know after a planned restart of the daemon: on which interface its
// addresses are, which process is its main one. The records lie in a directory that does not outlive the machine's boot.
package record

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"redoubt/internal/cluster"
	"redoubt/internal/fault"
)

// Store keeps records in Dir, which is made when it is missing; with an empty Dir it keeps them in memory only.
type Store struct {
	Dir string

	mu     sync.Mutex
	memory map[string][]string
}

func (s *Store) name(kind string, of cluster.ResourceName) string { return kind + "-" + string(of) }

// Save replaces a record.
func (s *Store) Save(kind string, of cluster.ResourceName, lines []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Dir == "" {
		if s.memory == nil {
			s.memory = map[string][]string{}
		}
		s.memory[s.name(kind, of)] = lines
		return nil
	}
	path := filepath.Join(s.Dir, s.name(kind, of))
	err := os.MkdirAll(s.Dir, 0o700)
	if err == nil {
		err = os.WriteFile(path+"~", []byte(strings.Join(lines, "\n")), 0o600)
	}
	if err == nil {
		err = os.Rename(path+"~", path)
	}
	if err != nil {
		return fault.Errorf(fault.Internal, "remember what resource %s uses: %w; look after the directory %s", of, err, s.Dir)
	}
	return nil
}

// Load returns a record, nil when there is none.
func (s *Store) Load(kind string, of cluster.ResourceName) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Dir == "" {
		return s.memory[s.name(kind, of)], nil
	}
	b, err := os.ReadFile(filepath.Join(s.Dir, s.name(kind, of)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "read what resource %s uses: %w", of, err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' }), nil
}

// Remove forgets a record. One that can not be removed is found stale by who reads it.
func (s *Store) Remove(kind string, of cluster.ResourceName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.memory, s.name(kind, of))
	if s.Dir != "" {
		os.Remove(filepath.Join(s.Dir, s.name(kind, of)))
	}
}
