package auditfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"redoubt/internal/fault"
)

// Cursor keeps a number in a file.
type Cursor struct{ Path string }

// Load reads the number; 0 if there is no file.
func (c Cursor) Load() (uint64, error) {
	b, err := os.ReadFile(c.Path)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fault.Errorf(fault.Unavailable, "read %s: %w", c.Path, err)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0, fault.Errorf(fault.Internal, "%s is damaged: %w", c.Path, err)
	}
	return n, nil
}

// Save writes the number.
func (c Cursor) Save(n uint64) error {
	if err := replace(c.Path, fmt.Appendf(nil, "%d\n", n)); err != nil {
		return fault.Errorf(fault.Unavailable, "write %s: %w", c.Path, err)
	}
	return nil
}
