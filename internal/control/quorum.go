package control

import (
	"context"
	"slices"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/admission"
	"redoubt/internal/cluster"
	"redoubt/internal/fault"
	"redoubt/internal/quorum"
	"redoubt/internal/rgm/check"
)

// QuorumList lists the voters.
func (c *Control) QuorumList(ctx context.Context, who Caller, in v1.QuorumList) ([]string, error) {
	q, err := c.QuorumShow(ctx, who, v1.QuorumShow(in))
	return q.Voters, err
}

// QuorumShow shows who votes and who could.
func (c *Control) QuorumShow(ctx context.Context, who Caller, in v1.QuorumShow) (v1.Quorum, error) {
	out := v1.Quorum{Voters: []string{}, QuorumServers: []v1.Node{}}
	r, err := c.enter(ctx, who, "quorum show")
	if err != nil {
		return out, err
	}
	v, err := c.read(r)
	if err != nil {
		return out, err
	}
	nodes, servers := 0, 0
	for _, n := range v.state.Nodes {
		if !n.QuorumServer {
			nodes++
			continue
		}
		servers++
		if len(in.Names) == 0 || slices.Contains(in.Names, string(n.Name)) {
			out.QuorumServers = append(out.QuorumServers, nodeOf(n.Node))
		}
	}
	out.Wanted = quorum.Want(nodes, servers)
	if rec := v.member.Record; rec != nil {
		for _, voter := range rec.Voters {
			out.Voters = append(out.Voters, string(voter.Node))
		}
	}
	return out, nil
}

// QuorumStatus shows the votes as this node counts them.
func (c *Control) QuorumStatus(ctx context.Context, who Caller, in v1.QuorumStatus) (v1.QuorumState, error) {
	r, err := c.enter(ctx, who, "quorum status")
	if err != nil {
		return v1.QuorumState{}, err
	}
	v, err := c.read(r)
	if err != nil {
		return v1.QuorumState{}, err
	}
	return c.quorumState(v), nil
}

// QuorumAdd lets quorum servers join: a quorum server is a machine of its own that runs `redoubtd quorum-server` and joins as a node does, but runs nothing.
func (c *Control) QuorumAdd(ctx context.Context, who Caller, in v1.QuorumAdd) (v1.Result, error) {
	return c.editAccess(ctx, who, "quorum add", func(d *draft, l admission.List) (admission.List, error) {
		if in.Type != "" && in.Type != "quorum_server" {
			return l, fault.Errorf(fault.Unsupported, "quorum add: devices of type %q are not supported; the type is quorum_server", in.Type)
		}
		if len(in.Names) == 0 {
			return l, fault.Errorf(fault.Invalid, "quorum add: name the quorum server")
		}
		key := ""
		settings, ps := check.ParseSettings("quorum server", in.Property)
		for _, s := range settings {
			switch {
			case strings.EqualFold(s.Name, "key"):
				key = s.Text
			case !strings.EqualFold(s.Name, "qshost"):
				ps = append(ps, check.Problem{Code: fault.Invalid, Path: "quorum server: property " + s.Name, Text: check.DidYouMean(s.Name, []string{"qshost", "key"}, "there are qshost and key")})
			}
		}
		if err := ps.Err(); err != nil {
			return l, err
		}
		until, err := expiry(d.now, 0)
		if err != nil {
			return l, err
		}
		for _, name := range in.Names {
			switch n, taken := check.Node(d.state, cluster.NodeName(name)); {
			case taken && n.QuorumServer:
				return l, fault.Errorf(fault.Exists, "%s is a quorum server of this cluster already; `redoubt quorum status` shows whether it votes. If it has to join anew: `redoubt quorum remove %s` first", name, name)
			case taken:
				return l, fault.Errorf(fault.Exists, "%s is a node of this cluster already, and nodes vote by themselves where votes are needed; a quorum server is a machine of its own: name another one, or `redoubt node remove %s` first", name, name)
			}
			if l, err = l.Allow(admission.Entry{Host: name, By: d.who.String(), ExpiresAt: until, Once: true, QuorumServer: true, Key: key}); err != nil {
				return l, err
			}
			d.say("quorum server " + name + " may join within an hour: run `redoubt node join` there" + approval(name, key) + "; it votes as soon as it has")
		}
		return l, nil
	})
}

// approval says what is left to do when a host was allowed without its key.
func approval(host, key string) string {
	if key != "" {
		return ""
	}
	return " and `redoubt access approve " + host + " SHA256:…` here, with the key that it shows"
}

// QuorumRemove removes quorum servers.
func (c *Control) QuorumRemove(ctx context.Context, who Caller, in v1.QuorumRemove) (v1.Result, error) {
	r, err := c.enter(ctx, who, "quorum remove")
	if err != nil {
		return v1.Result{}, err
	}
	var servers []string
	for _, n := range c.look(r).state.Nodes {
		if n.QuorumServer {
			servers = append(servers, string(n.Name))
		}
	}
	names, err := selected("quorum server", in.Names, in.All, servers)
	if err != nil {
		return v1.Result{}, err
	}
	return c.removeNodes(ctx, r, who, names, false)
}
