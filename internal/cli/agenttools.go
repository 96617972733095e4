package cli

import (
	"context"
	"encoding/json"

	v1 "redoubt/api/v1"
	"redoubt/internal/cli/ocftools"
	"redoubt/internal/fault"
)

// wholeCluster is the node under which attributes of no node in particular are kept. No node can have that name.
const wholeCluster = "global"

// agentTool runs one of the commands of Pacemaker that OCF agents call.
func agentTool(ctx context.Context, e Env, name string, args []string) int {
	client, err := e.dial("")
	return ocftools.Run(ctx, name, args, ocftools.Env{Stdout: e.Stdout, Stderr: e.Stderr, Getenv: e.getenv, Client: attributes{client, err}})
}

// attributes is the cluster as the agents' tools see it.
type attributes struct {
	client Client
	err    error // there is none
}

// do carries out one operation.
func (a attributes) do(ctx context.Context, verb string, read bool, body map[string]any, out any) error {
	if a.err != nil {
		return a.err
	}
	noun := "attribute"
	if verb == "status" {
		noun = "cluster"
	}
	if node, ok := body["node"]; ok && node == "" {
		body["node"] = wholeCluster
	}
	answer, err := a.client.Do(ctx, Call{Noun: noun, Verb: verb, Read: read, Body: body})
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fault.Errorf(fault.Internal, "%s %s: the daemon's answer can not be read: %w", noun, verb, err)
	}
	return nil
}

// Get implements ocftools.Client.
func (a attributes) Get(ctx context.Context, node, name string) (string, bool, error) {
	var out v1.Attribute
	err := a.do(ctx, "get", true, map[string]any{"node": node, "name": name}, &out)
	if fault.Is(err, fault.NotFound) {
		return "", false, nil
	}
	return out.Value, err == nil, err
}

// Set implements ocftools.Client.
func (a attributes) Set(ctx context.Context, node, name, value string, lifetime ocftools.Lifetime) error {
	return a.do(ctx, "set", false, map[string]any{"node": node, "name": name, "value": value, "transient": lifetime == ocftools.Reboot}, nil)
}

// Delete implements ocftools.Client.
func (a attributes) Delete(ctx context.Context, node, name string) error {
	return a.do(ctx, "delete", false, map[string]any{"node": node, "name": name}, nil)
}

// Nodes implements ocftools.Client.
func (a attributes) Nodes(ctx context.Context) (ocftools.Nodes, error) {
	var s v1.Status
	if err := a.do(ctx, "status", true, nil, &s); err != nil {
		return ocftools.Nodes{}, err
	}
	out := ocftools.Nodes{Local: s.Node, Quorate: s.Cluster != nil && s.Cluster.Quorum.Quorate}
	for _, n := range s.Nodes {
		if n.State != "quorum-server" {
			out.Nodes = append(out.Nodes, ocftools.Node{Name: n.Name, ID: n.ID, Member: n.State == "member"})
		}
	}
	return out, nil
}
