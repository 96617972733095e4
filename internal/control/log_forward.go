package control

import (
	"context"
	"net"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/audit"
	"redoubt/internal/confdb"
	"redoubt/internal/engine"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/check"
	"redoubt/internal/rgm/model"
)

// Forward reads from a snapshot where the command logs are sent; the zero value: nowhere.
func Forward(s engine.Snapshot) (model.Forward, error) {
	if s.Forward == nil {
		return model.Forward{}, nil
	}
	return confdb.Decode[model.Forward](confdb.KindForward, confdb.KeyForward, s.Forward)
}

// LogSetForward makes every node send its log to a collector.
func (c *Control) LogSetForward(ctx context.Context, who Caller, in v1.LogSetForward) (v1.Result, error) {
	r, err := c.enter(ctx, who, "log set-forward")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		f, err := Forward(d.snap)
		if err != nil {
			return err
		}
		if err := setForward(&f, in); err != nil {
			return err
		}
		d.put(confdb.KeyForward, confdb.KindForward, f)
		d.say("every node sends its command log to " + f.Server + "; `redoubt log show-forward` says how that goes on a node")
		return nil
	}))
}

func setForward(f *model.Forward, in v1.LogSetForward) error {
	known := []string{"server", "name", "backlog", "ca"}
	for _, p := range in.Property {
		name, value, ok := strings.Cut(p, "=")
		if !ok {
			return fault.Errorf(fault.Invalid, "log set-forward: %q is no property: want NAME=VALUE", p)
		}
		switch strings.ToLower(name) {
		case "server":
			host, port, err := net.SplitHostPort(value)
			if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 1 || n > 65535 || host == "" {
				return fault.Errorf(fault.Invalid, "server %q: want HOST:PORT; the usual port is 6514", value)
			}
			f.Server = value
		case "name":
			f.Name = value
		case "ca":
			f.Authority = value
		case "backlog":
			n, err := strconv.Atoi(value)
			if err != nil || n < 100 || n > audit.MaxBacklog {
				return fault.Errorf(fault.Invalid, "backlog %q: want 100 to %d entries", value, audit.MaxBacklog)
			}
			f.Backlog = n
		default:
			return fault.Errorf(fault.Invalid, "log set-forward has no property %q; %s", name, check.DidYouMean(name, known, "there are "+strings.Join(known, ", ")))
		}
	}
	if f.Server == "" {
		return fault.Errorf(fault.Invalid, "log set-forward: it needs the collector's address: -p server=HOST:PORT")
	}
	if err := audit.CheckAuthority(f.Authority); err != nil {
		return fault.Errorf(fault.Invalid, "log set-forward: it needs the certificate of the authority that has signed the collector's: -p ca=FILE: %w", err)
	}
	return nil
}

// LogClearForward stops sending the logs.
func (c *Control) LogClearForward(ctx context.Context, who Caller, in v1.LogClearForward) (v1.Result, error) {
	r, err := c.enter(ctx, who, "log clear-forward")
	if err != nil {
		return v1.Result{}, err
	}
	return c.change(ctx, r, who, configuration(func(d *draft) error {
		if d.snap.Forward == nil {
			return fault.Errorf(fault.NotFound, "log clear-forward: the command logs are not sent anywhere")
		}
		d.drop(confdb.KeyForward)
		return nil
	}))
}

// LogShowForward says where the logs are sent, and how that goes here.
func (c *Control) LogShowForward(ctx context.Context, who Caller, in v1.LogShowForward) (v1.LogForward, error) {
	r, err := c.enter(ctx, who, "log show-forward")
	if err != nil {
		return v1.LogForward{}, err
	}
	f, err := Forward(r.Source.Snapshot())
	if err != nil {
		return v1.LogForward{}, err
	}
	out := v1.LogForward{Server: f.Server, Name: f.Name, Authority: f.Authority, Backlog: f.Backlog}
	if c.cfg.Forwarding != nil && f.Server != "" {
		s := c.cfg.Forwarding()
		out.Connected, out.Waiting, out.Sent, out.Dropped, out.Problem = s.Connected, s.Waiting, s.Sent, s.Dropped, s.Problem
	}
	return out, nil
}
