// Package logicalhost runs the types redoubt.logicalhostname and redoubt.sharedaddress: addresses that are where their group is. An address is taken only after the
// network was asked whether somebody else has it, is owed to the guard before it is there, and is announced at once. A shared address is on the loopback interface of
// nodes with instances besides; the load balancing is ready before the address comes, and knows before it goes.
package logicalhost

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"redoubt/internal/agent"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/native/neighbour"
	"redoubt/internal/native/property"
	"redoubt/internal/native/record"
	"redoubt/internal/rgm/balance"
	"redoubt/internal/rgm/model"
)

// TypeName is the name of the type.
const TypeName cluster.TypeName = "redoubt.logicalhostname"

// Sharing is the load balancing of this node.
type Sharing interface {
	// Hold is called before a shared address is taken: packets to it are then handed on as they should. Release is called before it is given up.
	Hold(ctx context.Context, r cluster.ResourceName, at []balance.Held) error
	Release(ctx context.Context, r cluster.ResourceName, at []balance.Held)
}

// Config is what the type needs. Every field but Sharing and AddressLife must be set.
type Config struct {
	Sharing     Sharing // of redoubt.sharedaddress; nil is redoubt.logicalhostname
	Obligations agent.Obligations
	Log         *slog.Logger
	Records     *record.Store
	// Resolve gives the addresses of a host name as this node sees them.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	// AddressLife is how long the kernel keeps a new address until the guard renews it; 0 is as long as the guard's default.
	AddressLife time.Duration
}

// defaultLife is the guard's own span.
const defaultLife = 2 * time.Second

// repeats are the moments, after the first, at which an address is announced again: a switch may learn late, and frames may be lost.
var repeats = []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second}

// Type runs the methods of redoubt.logicalhostname.
type Type struct {
	cfg Config

	mu         sync.Mutex
	announcing map[cluster.ResourceName]context.CancelFunc
}

// New returns the type.
func New(cfg Config) *Type {
	if cfg.AddressLife <= 0 {
		cfg.AddressLife = defaultLife
	}
	return &Type{cfg: cfg, announcing: map[cluster.ResourceName]context.CancelFunc{}}
}

// Run runs a method.
func (t *Type) Run(ctx context.Context, call agent.Call) error {
	switch call.Method {
	case model.MethodValidate:
		return t.validate(ctx, call)
	case model.MethodStart:
		return t.start(ctx, call)
	case model.MethodStop:
		return t.stop(ctx, call)
	}
	return nil
}

// End stops announcing; an address is no process.
func (t *Type) End(_ context.Context, call agent.Call) error {
	t.quiet(call.Resource.Name)
	return nil
}

func (t *Type) validate(ctx context.Context, call agent.Call) error {
	wanted, err := t.wanted(ctx, call)
	if err != nil {
		return err
	}
	host, err := t.look()
	if err != nil {
		return err
	}
	_, err = host.place(call, wanted)
	return err
}

// start takes the addresses that are not there yet. When it fails, those it took are given back.
func (t *Type) start(ctx context.Context, call agent.Call) error {
	wanted, err := t.wanted(ctx, call)
	if err != nil {
		return err
	}
	host, err := t.look()
	if err != nil {
		return err
	}
	all, err := host.place(call, wanted)
	if err != nil {
		return err
	}
	var missing []place
	for _, p := range all {
		if err := host.usable(p); err != nil {
			return err
		}
		there, err := host.has(p)
		if err != nil {
			return err
		}
		if !there {
			missing = append(missing, p)
		}
	}
	if err := t.checkDuplicates(ctx, call, host, missing); err != nil {
		return err
	}
	if t.cfg.Sharing != nil {
		if err := t.cfg.Sharing.Hold(ctx, call.Resource.Name, shared(all)); err != nil {
			return err
		}
	}
	if err := t.cfg.Records.Save("addresses", call.Resource.Name, lines(all)); err != nil {
		return err
	}
	for _, p := range all {
		if err := t.cfg.Obligations.Owe(ctx, p.obligation()); err != nil {
			return fault.Errorf(fault.CodeOf(err), "take address %s: %w", p.prefix, err)
		}
	}
	for i, p := range missing {
		if err := host.add(p, t.cfg.AddressLife); err != nil {
			for _, taken := range missing[:i] {
				err = errors.Join(err, host.remove(taken))
			}
			return err
		}
	}
	t.announce(call.Resource.Name, host, all)
	return nil
}

// checkDuplicates asks for all addresses at the same time. An address that somebody has is asked for again for somewhat longer than the kernel of a node
// keeps one whose daemon and guard have both died: that node serves nothing any more, but still answers for the address.
func (t *Type) checkDuplicates(ctx context.Context, call agent.Call, host *host, places []place) error {
	d := property.Milliseconds(call, "Duplicate_check_ms", duplicateCheck)
	if d <= 0 {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range places {
		link, ok := host.ethernet(p)
		if !ok {
			continue
		}
		g.Go(func() error {
			var holder net.HardwareAddr
			for end := time.Now().Add(t.cfg.AddressLife + lifeSlack); ; {
				var err error
				if holder, err = neighbour.Probe(ctx, link, p.prefix.Addr(), d); err != nil {
					return err
				}
				if holder == nil || time.Now().After(end) {
					break
				}
				if err := pause(ctx, againAfter); err != nil {
					return err
				}
			}
			if holder != nil {
				return fault.Errorf(fault.Exists, "address %s is in use already: the machine with hardware address %s answered for it on %s; take the address from that machine or give the resource another one", p.prefix.Addr(), holder, p.link)
			}
			return nil
		})
	}
	return g.Wait()
}

// duplicateCheck is how long the network is asked by default, in milliseconds: three questions in that time. Every failover waits for it. A kernel answers as soon as it
// has the question, within a millisecond in one network; a machine that is slower than this is found only by who asks for longer.
const duplicateCheck = 25

// The kernel ends the life of an address up to a second late.
const (
	lifeSlack  = 1500 * time.Millisecond
	againAfter = 20 * time.Millisecond
)

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// announce tells the network at once, and again a few times while the address is still here.
func (t *Type) announce(name cluster.ResourceName, host *host, places []place) {
	once := func(p place) {
		link, ok := host.ethernet(p)
		if !ok {
			return
		}
		if err := neighbour.Announce(link, p.prefix.Addr()); err != nil {
			t.cfg.Log.Warn("address could not be announced", "resource", name, "address", p.prefix.String(), "cause", err.Error())
		}
	}
	for _, p := range places {
		once(p)
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.mu.Lock()
	if old := t.announcing[name]; old != nil {
		old()
	}
	t.announcing[name] = cancel
	t.mu.Unlock()
	go func() {
		defer cancel()
		begin := time.Now()
		for _, at := range repeats {
			timer := time.NewTimer(time.Until(begin.Add(at)))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
				return
			}
			// The guard may have taken the address away; announcing it then would take it from its new node.
			now, err := t.look()
			if err != nil {
				return
			}
			for _, p := range places {
				if there, err := now.has(p); err == nil && there && ctx.Err() == nil {
					once(p)
				}
			}
		}
	}()
}

func (t *Type) quiet(name cluster.ResourceName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if cancel := t.announcing[name]; cancel != nil {
		cancel()
		delete(t.announcing, name)
	}
}

// stop gives up what start noted. Without a note (the daemon's directory was lost) it goes by the properties.
func (t *Type) stop(ctx context.Context, call agent.Call) error {
	t.quiet(call.Resource.Name)
	host, err := t.look()
	if err != nil {
		return err
	}
	places, err := t.held(ctx, call, host)
	if err != nil {
		return err
	}
	if t.cfg.Sharing != nil {
		t.cfg.Sharing.Release(ctx, call.Resource.Name, shared(places))
	}
	var errs []error
	for _, p := range places {
		if err := host.remove(p); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := t.cfg.Obligations.Settle(ctx, p.obligation()); err != nil {
			errs = append(errs, fault.Errorf(fault.CodeOf(err), "give up address %s: %w", p.prefix, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	t.cfg.Records.Remove("addresses", call.Resource.Name)
	return nil
}

// shared gives the places as the load balancing knows them.
func shared(places []place) []balance.Held {
	var out []balance.Held
	for _, p := range places {
		out = append(out, balance.Held{Address: p.prefix.Addr(), Device: p.link})
	}
	return out
}

// held returns what the resource may hold on this host.
func (t *Type) held(ctx context.Context, call agent.Call, host *host) ([]place, error) {
	noted, err := t.cfg.Records.Load("addresses", call.Resource.Name)
	if err != nil {
		return nil, err
	}
	var places []place
	for _, line := range noted {
		prefix, link, _ := strings.Cut(line, " ")
		if p, err := netip.ParsePrefix(prefix); err == nil && link != "" {
			places = append(places, place{p, link})
		}
	}
	if len(places) > 0 {
		return places, nil
	}
	wanted, err := t.wanted(ctx, call)
	if err != nil {
		return nil, err
	}
	for _, w := range wanted {
		for _, n := range host.networks {
			if n.prefix.Addr() == w.addr && !host.permanent[n] && !host.shares(n) && (w.bits < 0 || w.bits == n.prefix.Bits()) {
				places = append(places, n)
			}
		}
	}
	return places, nil
}

func lines(places []place) []string {
	out := make([]string, 0, len(places))
	for _, p := range places {
		out = append(out, p.prefix.String()+" "+p.link)
	}
	slices.Sort(out)
	return out
}
