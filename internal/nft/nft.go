// Package nft makes the kernel of a node share the load of scalable services, with nftables. What comes in at a shared address is looked at before the network layer
// and handed on, as it is, to the node of its instance; that answers the client directly. See docs/adr/0018-scalable-services.md for why.
//
// Each service has a table of its own, which is made anew, with the connections that the old one knew, when its shape changes (its ports, addresses, policy). Who takes
// new connections, who is alive and how a node is reached are elements of maps, and change in one transaction. A chain without rules, whose name is a hash of the
// shape, says which shape a table has.
package nft

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/balance"
)

// Config is what the adapter needs.
type Config struct {
	// Obligations is the guard: addresses that this node answers from are taken away when it fences.
	Obligations agent.Obligations
	Log         *slog.Logger
	// AddressLife is how long the kernel keeps an address until the guard renews it; 0 is the guard's default.
	AddressLife time.Duration
	// Room is how many connections, and how many clients, a service remembers of each family; 0 is 2^18.
	Room uint32
}

// defaultLife is the guard's own span.
const defaultLife = 2 * time.Second

// The names of our tables: one for each service, and one that keeps the node silent.
const (
	prefix     = "redoubt-"
	arpTable   = "redoubt"
	shapeChain = "shape-"
	entryChain = "in-" // with the name of the device
)

// Kernel is the load balancing of this host.
type Kernel struct {
	cfg Config

	mu      sync.Mutex
	applied *balance.Plane
	awaited map[string]awaited // for tables that are not yet there, by name
}

// awaited is what a table has to know from the first on, and since when it is waited for.
type awaited struct {
	memory balance.Memory
	since  time.Time
}

// awaitLimit is how long a table is waited for.
const awaitLimit = time.Minute

// New returns the adapter; the kernel is not touched.
func New(cfg Config) *Kernel {
	if cfg.AddressLife <= 0 {
		cfg.AddressLife = defaultLife
	}
	if cfg.Room == 0 {
		cfg.Room = remembered
	}
	return &Kernel{cfg: cfg, awaited: map[string]awaited{}}
}

// Apply makes the kernel look like the plane: first the node falls silent where it has to, then addresses come and go, then the tables; and when these are there, it may
// be heard again where it has to be. Whoever heard it sooner would send to this node what only the tables bring to its instance. It goes by what the kernel has, so that it
// can be called at any time, and repairs what somebody else took away.
func (k *Kernel) Apply(ctx context.Context, p balance.Plane) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	var errs []error
	if err := k.silence(p.Silent, true); err != nil {
		errs = append(errs, err) // then no address may appear that would be answered for
	} else if err := k.local(ctx, p.Local); err != nil {
		errs = append(errs, err)
	}
	if err := k.tables(p.Tables); err != nil {
		errs = append(errs, err)
	} else if err := k.silence(p.Silent, false); err != nil {
		errs = append(errs, err)
	}
	maps.DeleteFunc(k.awaited, func(_ string, a awaited) bool { return time.Since(a.since) > awaitLimit })
	if err := errors.Join(errs...); err != nil {
		k.applied = nil
		return err
	}
	k.applied = &p
	return nil
}

// Leftover says which of these addresses the table of a service, also one of an earlier life, brings to its instances, and on which interface.
func (k *Kernel) Leftover(service cluster.ResourceName, addrs []netip.Addr) ([]balance.Held, error) {
	tables, err := ours()
	if err != nil {
		return nil, err
	}
	f := tables[prefix+string(service)]
	if f == nil || len(f.devices) == 0 {
		return nil, nil
	}
	have, err := addresses()
	if err != nil {
		return nil, err
	}
	var out []balance.Held
	for _, a := range addrs {
		device := f.devices[0]
		for _, p := range have {
			if p.prefix.Contains(a) && p.prefix.Addr() != a && slices.Contains(f.devices, p.link) {
				device = p.link
			}
		}
		out = append(out, balance.Held{Address: a, Device: device})
	}
	return out, nil
}

// Clear takes everything away: the tables, also those of an earlier life. Addresses end with their life.
func (k *Kernel) Clear() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.applied = nil
	return errors.Join(k.tables(nil), k.silence(nil, false))
}

// tables brings the tables of the services up to date, each in a transaction of its own.
func (k *Kernel) tables(want []balance.Table) error {
	have, err := ours()
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range want {
		name := prefix + t.Name
		devices, err := devicesOf(t.Addresses)
		if err == nil && len(devices) > 0 {
			err = k.table(name, t, devices, have[name])
		}
		if err != nil {
			errs = append(errs, fault.Errorf(fault.Internal, "balance the load of %s: %w", t.Name, err))
		}
		if err != nil || len(devices) > 0 {
			delete(have, name)
		}
	}
	for name := range have {
		err := commit(func(c *nftables.Conn) ([]netlink.Message, error) {
			c.DelTable(&nftables.Table{Name: name, Family: nftables.TableFamilyNetdev})
			return nil, nil
		})
		if err != nil {
			errs = append(errs, fault.Errorf(fault.Internal, "remove table %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// table makes one table new, or changes its elements.
func (k *Kernel) table(name string, t balance.Table, devices []device, have *found) error {
	want := shapeOf(t.Shape, devices)
	switch {
	case have == nil:
		err := rebuild(name, t, devices, want, false, k.cfg.Room, k.awaited[name].memory)
		if err == nil {
			delete(k.awaited, name)
		}
		return err
	case have.is(want, devices):
		return again(func() error { return k.update(name, t) })
	}
	m, _ := recollect(name, k.cfg.Room)
	return rebuild(name, t, devices, want, true, k.cfg.Room, m)
}

// shapeOf names a shape.
func shapeOf(s balance.Shape, devices []device) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "3 %+v %v %d %v %v %v %d", devices, s.Ports, s.Self, s.Except, s.BySource, []bool{s.BySourceUDP, s.Remember, s.RememberUDP}, s.Affinity))
	return shapeChain + hex.EncodeToString(sum[:8])
}

// found is a table that the kernel has.
type found struct {
	shape   string   // the name of the chain that says it; "" when there is none
	devices []string // where it hangs: some kernels take the chain away with the device
}

// is reports whether a table is of a shape and hangs into all its devices.
func (f *found) is(shape string, devices []device) bool {
	return f != nil && f.shape == shape && !slices.ContainsFunc(devices, func(d device) bool { return !slices.Contains(f.devices, d.name) })
}

// ours lists the tables of services that the kernel has.
func ours() (map[string]*found, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	tables, err := c.ListTablesOfFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list the tables of nftables: %w; scalable services need a kernel with nf_tables and its family netdev", err)
	}
	out := map[string]*found{}
	for _, t := range tables {
		if strings.HasPrefix(t.Name, prefix) {
			out[t.Name] = &found{}
		}
	}
	if len(out) == 0 {
		return out, nil
	}
	chains, err := c.ListChainsOfTableFamily(nftables.TableFamilyNetdev)
	if err != nil {
		return nil, fault.Errorf(fault.Internal, "list the chains of nftables: %w", err)
	}
	for _, ch := range chains {
		f, ok := out[ch.Table.Name]
		if !ok {
			continue
		}
		if strings.HasPrefix(ch.Name, shapeChain) {
			f.shape = ch.Name
		}
		if name, in := strings.CutPrefix(ch.Name, entryChain); in {
			f.devices = append(f.devices, name)
		}
	}
	return out, nil
}

// update changes the elements of a table to those wanted, in one transaction.
func (k *Kernel) update(name string, t balance.Table) error {
	table := &nftables.Table{Name: name, Family: nftables.TableFamilyNetdev}
	type change struct {
		set       *nftables.Set
		gone, new []nftables.SetElement
	}
	var changes []change
	for _, s := range sets(table, t, k.cfg.Room) {
		if s.elements == nil {
			continue
		}
		known, err := valuesOf(s.set)
		if err != nil {
			return fmt.Errorf("read %s: %w", s.set.Name, err)
		}
		ch := change{set: s.set}
		for _, e := range s.elements() {
			v, ok := known[string(e.Key)]
			delete(known, string(e.Key))
			if ok && v == string(e.Val) {
				continue
			}
			if ok {
				ch.gone = append(ch.gone, nftables.SetElement{Key: e.Key, Val: []byte(v)})
			}
			ch.new = append(ch.new, e)
		}
		for key, v := range known {
			ch.gone = append(ch.gone, nftables.SetElement{Key: []byte(key), Val: []byte(v)})
		}
		if len(ch.gone)+len(ch.new) > 0 {
			changes = append(changes, ch)
		}
	}
	if len(changes) == 0 {
		return nil
	}
	return commit(func(c *nftables.Conn) ([]netlink.Message, error) {
		for _, ch := range changes {
			if len(ch.gone) > 0 {
				if err := c.SetDeleteElements(ch.set, ch.gone); err != nil {
					return nil, err
				}
			}
			if len(ch.new) > 0 {
				if err := c.SetAddElements(ch.set, ch.new); err != nil {
					return nil, err
				}
			}
		}
		return nil, nil
	})
}

// again reads and changes elements, several times when the kernel refuses that because it has others than were read a moment before: then another reading knows better.
func again(change func() error) error {
	err := change()
	for try := 0; try < 5 && (errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY) || errors.Is(err, unix.ENOENT)); try++ {
		err = change()
	}
	return err
}

// elementsOf reads a set or map.
func elementsOf(s *nftables.Set) ([]nftables.SetElement, error) {
	c, err := nftables.New()
	if err != nil {
		return nil, err
	}
	return c.GetSetElements(s)
}

// valuesOf reads a set or map until a reading finds nothing new: one that has just grown is read with gaps.
func valuesOf(s *nftables.Set) (map[string]string, error) {
	known := map[string]string{}
	for range readings {
		have, err := elementsOf(s)
		if err != nil {
			return nil, err
		}
		before := len(known)
		for _, e := range have {
			known[string(e.Key)] = string(e.Val)
		}
		if len(known) == before {
			break
		}
	}
	return known, nil
}

// Intact reports whether all that the last Apply made is there: whoever loads a rule set of its own may have flushed the tables, whoever configures the network may have
// taken addresses away, and a device that was made anew has lost its rules.
func (k *Kernel) Intact() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.applied == nil {
		return false
	}
	have, err := ours()
	if err != nil {
		return false
	}
	for _, t := range k.applied.Tables {
		devices, err := devicesOf(t.Addresses)
		if err != nil {
			return false
		}
		if len(devices) > 0 && !have[prefix+t.Name].is(shapeOf(t.Shape, devices), devices) {
			return false
		}
	}
	silent, err := arpThere()
	if err != nil || silent != (len(k.applied.Silent) > 0) {
		return false
	}
	there, err := onLoopback(k.applied.Local)
	return err == nil && there
}
