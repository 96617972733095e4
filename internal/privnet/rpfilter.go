package privnet

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"redoubt/internal/fault"
)

// The values of rp_filter. What counts for an interface is the larger of its own and that of "all".
const (
	strict = "1"
	loose  = "2"
)

func rpFilter(name string) string {
	return filepath.Join("/proc/sys/net/ipv4/conf", name, "rp_filter")
}

func readRPFilter(name string) (string, error) {
	b, err := os.ReadFile(rpFilter(name))
	return strings.TrimSpace(string(b)), err
}

// loosen makes the reverse path filter of an interface loose if it is strict.
func (n *Net) loosen(name string) error {
	own, err := readRPFilter(name)
	var all string
	if err == nil {
		all, err = readRPFilter("all")
	}
	if errors.Is(err, os.ErrNotExist) { // the interface is gone, or the kernel has no IPv4
		return nil
	}
	if err == nil && max(own, all) == strict {
		if err = os.WriteFile(rpFilter(name), []byte(loose), 0); err == nil {
			n.log.Info("reverse path filter made loose: strict, it drops what comes back by another interconnect", "interface", name)
			n.loosened[name] = own
		}
	}
	if err != nil {
		return fault.Errorf(fault.Unsupported, "interconnect interface %s: its reverse path filter can not be read or made loose: %w; set net.ipv4.conf.%s.rp_filter to 0 or 2", name, err, name)
	}
	return nil
}

// tighten puts back what loosen has changed, unless somebody has changed it since.
func (n *Net) tighten() error {
	var errs []error
	for name, before := range n.loosened {
		if now, err := readRPFilter(name); err == nil && now == loose {
			if err := os.WriteFile(rpFilter(name), []byte(before), 0); err != nil {
				errs = append(errs, fault.Errorf(fault.Internal, "interface %s: put back its reverse path filter: %w", name, err))
			}
		}
		delete(n.loosened, name)
	}
	return errors.Join(errs...)
}
