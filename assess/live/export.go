// Package live makes a model for the assessor of what a cluster says of itself: a frozen export of it, and the catalogue of threats. It asks nobody: the command line
// gathers the export, and a stored one gives the same model again.
//
// What a cluster did not tell is named in the model's notes and counts for nothing: a means is in place only where the export shows it.
package live

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	v1 "redoubt/api/v1"
)

// Version is the version of the format of exports.
const Version = 1

// maxSize bounds an export that is read.
const maxSize = 256 << 20

// Export is what a cluster said of itself at one time. Sources that could not be read are empty and stand in Missing.
type Export struct {
	Version int       `json:"version"`
	Digest  string    `json:"digest"`  // SHA-256 of the document without it
	Taken   time.Time `json:"taken"`   // by the clock of the node that answered
	Program string    `json:"program"` // version of the program that gathered it
	Since   time.Time `json:"since"`   // from when on the log was asked for

	Status       *v1.Status       `json:"status,omitempty"`
	Cluster      *v1.Cluster      `json:"cluster,omitempty"`
	Check        *v1.CheckReport  `json:"check,omitempty"`
	Access       *v1.Access       `json:"access,omitempty"`
	Nodes        []v1.Node        `json:"nodes,omitempty"`
	Groups       []v1.Group       `json:"groups,omitempty"`
	Resources    []v1.Resource    `json:"resources,omitempty"`
	Quorum       *v1.Quorum       `json:"quorum,omitempty"`
	Users        []v1.User        `json:"users,omitempty"`
	UnixGroups   []v1.User        `json:"unixGroups,omitempty"`
	Roles        []v1.Role        `json:"roles,omitempty"`
	Profiles     []v1.Profile     `json:"profiles,omitempty"`
	Certificates []v1.Certificate `json:"certificates,omitempty"`
	Secrets      []v1.Secret      `json:"secrets,omitempty"`

	Events   []v1.LogEvent      `json:"events,omitempty"`   // the oldest first
	Commands []v1.LoggedCommand `json:"commands,omitempty"` // the oldest first
	// EventsCut and CommandsCut say that there were more than are answered at once: what is here begins later than Since.
	EventsCut   bool             `json:"eventsCut,omitempty"`
	CommandsCut bool             `json:"commandsCut,omitempty"`
	Verified    []v1.LogVerified `json:"verified,omitempty"`
	Forward     *v1.LogForward   `json:"forward,omitempty"`

	Hardening []Hardening `json:"hardening,omitempty"` // what `redoubt harden check` said on nodes

	Missing []Missing `json:"missing,omitempty"`
}

// Hardening is what `redoubt harden check` said on a node.
type Hardening struct {
	Node  string          `json:"node"`
	Items []HardeningItem `json:"items"`
}

// HardeningItem is one item of it.
type HardeningItem struct {
	ID     string `json:"id"`     // as HD-SYS-001
	Status string `json:"status"` // good where it is as it should be
}

// Missing is a source that could not be read.
type Missing struct {
	Source string `json:"source"` // as "log events"
	Why    string `json:"why"`
}

// missing says why a source is not there; ok is false when it is.
func (e *Export) missing(source string) (why string, is bool) {
	for _, m := range e.Missing {
		if m.Source == source {
			return m.Why, true
		}
	}
	return "", false
}

// Freeze gives the document of an export: in a fixed order, without what no assessment needs, with its digest.
func Freeze(e *Export) ([]byte, error) {
	frozen := *e
	frozen.Version = Version
	if err := frozen.reduce(); err != nil {
		return nil, err
	}
	frozen.Digest = ""
	said, err := json.Marshal(frozen)
	if err != nil {
		return nil, fmt.Errorf("the export has no JSON form: %w", err)
	}
	if frozen.Digest, err = digest(said); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(frozen, "", " ")
	if err != nil {
		return nil, fmt.Errorf("the export has no JSON form: %w", err)
	}
	return append(text, '\n'), nil
}

// digest is the SHA-256 of what a document says, without its own digest: of its members, sorted, in the shortest form. It does not change with what later versions add.
func digest(text []byte) (string, error) {
	var document map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&document); err != nil {
		return "", fmt.Errorf("the export can not be read: %w", err)
	}
	delete(document, "digest")
	text, err := json.Marshal(document)
	if err != nil {
		return "", fmt.Errorf("the export has no JSON form: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Thaw reads the document of an export, and refuses one that is not as it was frozen.
func Thaw(r io.Reader) (*Export, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	if len(text) > maxSize {
		return nil, fmt.Errorf("the export is larger than %d MiB", maxSize>>20)
	}
	var head struct{ Version int }
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("this is no export of a cluster: %w; `redoubt assess live --freeze FILE` writes one", err)
	}
	if head.Version != Version {
		return nil, fmt.Errorf("the export is of version %d; version %d is read", head.Version, Version)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var e Export
	if err := d.Decode(&e); err != nil {
		return nil, fmt.Errorf("the export can not be read: %w", err)
	}
	sum, err := digest(text)
	if err != nil {
		return nil, err
	}
	if sum != e.Digest {
		return nil, fmt.Errorf("the export was changed after it was frozen: its digest is %s, what it holds gives %s; freeze the cluster again", e.Digest, sum)
	}
	if e.Status == nil || e.Status.Cluster == nil {
		return nil, fmt.Errorf("the export holds no cluster: the node that was asked is in none, or its status is missing")
	}
	return &e, nil
}

// reduce leaves out what no assessment needs and what could hold more than it should: commands as they were typed, what methods said, keys, addresses.
func (e *Export) reduce() error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("the export has no JSON form: %w", err)
	}
	*e = Export{}
	if err := json.Unmarshal(text, e); err != nil { // a copy: the caller's stays as it is
		return fmt.Errorf("copy the export: %w", err)
	}
	if s := e.Status; s != nil {
		for i := range s.Resources {
			for j := range s.Resources[i].Nodes {
				s.Resources[i].Nodes[j].Message = ""
			}
		}
	}
	if a := e.Access; a != nil {
		for i, x := range a.Entries {
			a.Entries[i] = v1.AccessEntry{Host: x.Host, Protocol: x.Protocol, Expires: x.Expires, Once: x.Once}
		}
	}
	for i, n := range e.Nodes {
		e.Nodes[i] = v1.Node{Name: n.Name, ID: n.ID, QuorumServer: n.QuorumServer}
		if n.Fence != nil {
			e.Nodes[i].Fence = &v1.Fence{Agent: n.Fence.Agent}
		}
	}
	for i, g := range e.Groups {
		e.Groups[i] = v1.Group{Name: g.Name, Managed: g.Managed, Suspended: g.Suspended, Nodelist: g.Nodelist, Resources: g.Resources}
	}
	for i, r := range e.Resources {
		e.Resources[i] = v1.Resource{Name: r.Name, Group: r.Group, Type: r.Type, Enabled: r.Enabled, DisabledOn: r.DisabledOn, Monitored: r.Monitored, UnmonitoredOn: r.UnmonitoredOn}
	}
	if q := e.Quorum; q != nil {
		for i, n := range q.QuorumServers {
			q.QuorumServers[i] = v1.Node{Name: n.Name, ID: n.ID, QuorumServer: n.QuorumServer}
		}
	}
	if c := e.Cluster; c != nil {
		c.Properties = slices.DeleteFunc(c.Properties, func(p v1.Property) bool { return p.Name != resourceSecurity })
	}
	if f := e.Forward; f != nil {
		e.Forward = &v1.LogForward{Connected: f.Connected, Waiting: f.Waiting, Sent: f.Sent, Dropped: f.Dropped, Problem: f.Problem}
		if f.Server != "" {
			e.Forward.Server = "configured"
		}
	}
	for i, x := range e.Commands {
		e.Commands[i] = v1.LoggedCommand{Time: x.Time, Node: x.Node, Entry: x.Entry, State: x.State, Ms: x.Ms, Operation: x.Operation, Objects: x.Objects, Code: x.Code, Count: x.Count}
	}
	slices.SortStableFunc(e.Commands, func(a, b v1.LoggedCommand) int { return a.Time.Compare(b.Time) })
	slices.SortStableFunc(e.Events, func(a, b v1.LogEvent) int { return a.Time.Compare(b.Time) })
	return nil
}

// resourceSecurity is the property that says what follows when others may have written a program that root runs.
const resourceSecurity = "resource_security"
