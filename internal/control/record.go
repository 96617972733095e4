package control

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	v1 "redoubt/api/v1"
	"redoubt/internal/auditlog"
	"redoubt/internal/fault"
)

// Recorder is where operations are recorded before they act.
type Recorder interface {
	// Begin returns when the record is on disk. When it can not be written it fails, unless the operation is to go on anyway.
	Begin(r auditlog.Record, anyway bool) (done func(end auditlog.Record), err error)
	Deny(r auditlog.Record)
	Event(event, subject, state, text string)
}

// Method is an operation as Control has it.
type Method[In, Out any] func(*Control, context.Context, Caller, In) (Out, error)

// emergencies go on also when they can not be recorded: what keeps services up, or gets them out of harm's way, does not wait for a disk.
var emergencies = map[string]bool{
	"group online": true, "group offline": true, "group switch": true, "group restart": true, "group evacuate": true, "group quiesce": true,
	"node evacuate": true, "resource disable": true, "resource clear": true, "cluster shutdown": true,
	"scha_control call": true, "peer ask": true, "peer leave": true, "peer monitor-check": true,
}

// unrecorded are operations that are no commands although they write something: agents report by them, many times a minute. Refusals are recorded all the same.
var unrecorded = map[string]bool{"scha_resource_setstatus call": true}

// revealing are reads that hand out so much that they are recorded like changes.
var revealing = map[string]bool{"cluster snapshot": true}

// Recorded reports whether an operation of the table stands in the command log.
func Recorded(op v1.Operation) bool {
	name := op.Noun + " " + op.Verb
	return (!op.Read || revealing[name]) && !unrecorded[name]
}

// reveals reports whether a read gives the value of a private string to a person. The methods of the resource that a string is bound to read it whenever they run,
// which is what it is for; root outside of them has a reason that somebody may ask for.
func reveals(who Caller, in any) bool {
	get, ok := in.(v1.SchaClusterGetCall)
	return ok && tagOf(get.Operation) == tagPrivateString && who.Resource == ""
}

// reports reports whether a call is an agent's report about its own resource, or one that is handed on for it.
func reports(who Caller, name string, in any) bool {
	if ask, ok := in.(v1.PeerAsk); ok {
		return ask.Kind == "status"
	}
	return who.Resource != "" && (name == "attribute set" || name == "attribute delete")
}

// Do carries out an operation as it comes from outside, and is the one place where it is recorded: the start before it acts, then the end, or the refusal.
// Every face calls operations by it.
func Do[In, Out any](ctx context.Context, c *Control, who Caller, op v1.Operation, in In, method Method[In, Out]) (out Out, err error) {
	name := op.Noun + " " + op.Verb
	ctx = Asking(ctx, name, in)
	command := auditlog.NewCommand(op.Noun, op.Verb, in, c.secretProperty)
	if err := c.authorise(ctx, who, name); err != nil {
		if fault.Is(err, fault.Denied) {
			c.refused(who, name, command, err)
		}
		return out, err
	}
	if c.cfg.Recorder == nil || !Recorded(op) && !reveals(who, in) || reports(who, name, in) {
		if out, err = method(c, ctx, who, in); fault.Is(err, fault.Denied) {
			c.refused(who, name, command, err)
		}
		return out, err
	}
	start := recordOf(who, name, command)
	done, err := c.cfg.Recorder.Begin(start, emergencies[name])
	if err != nil {
		return out, fault.Errorf(fault.Unavailable, "%s: nothing was changed or given out, because it can not be recorded: %w; make room on the disk of this node, or use another node. What an emergency needs, such as `redoubt group switch`, is done all the same", name, err)
	}
	finished := false
	defer func() {
		if !finished { // it panicked
			done(auditlog.Record{Exit: new(auditlog.Status(fault.Internal)), Code: string(fault.Internal), Error: "the daemon failed while it did this; its log has more"})
		}
	}()
	out, err = method(c, ctx, who, in)
	finished = true
	code := fault.CodeOf(err)
	end := auditlog.Record{Exit: new(auditlog.Status(code)), Code: string(code)}
	if err != nil {
		end.Error = command.Redact(err.Error())
	}
	if result, ok := any(out).(v1.Result); ok {
		for _, m := range result.Messages {
			end.Said = append(end.Said, command.Redact(m))
		}
	}
	done(end)
	return out, err
}

// Refused records that a caller was refused before an operation could be found: what says what was wanted.
func (c *Control) Refused(who Caller, what string, err error) {
	c.refused(who, "", auditlog.NewCommand("", "", nil, nil).Comment(what), err)
}

func (c *Control) refused(who Caller, name string, command auditlog.Command, err error) {
	if c.cfg.Recorder == nil {
		return
	}
	r := recordOf(who, name, command)
	r.Code, r.Error = string(fault.Denied), command.Redact(err.Error())
	c.cfg.Recorder.Deny(r)
}

// recordOf says who asks for what, and from where.
func recordOf(who Caller, name string, command auditlog.Command) auditlog.Record {
	r := auditlog.Record{
		User: who.User, Role: who.Role, PID: who.PID, Certificate: who.Certificate, Resource: string(who.Resource),
		Operation: name, Command: command.Line, Objects: command.Objects,
	}
	switch {
	case who.Kind == CallerLocal:
		r.From = "uid " + strconv.Itoa(who.UID)
	case who.From.IsValid():
		r.From = who.From.String()
	}
	if who.Session != "" {
		r.Certificate = "session " + who.Session
	}
	switch {
	case who.Kind == CallerNode:
		r.User = "node:" + string(who.Node)
	case who.Kind == CallerPartner:
		r.User = "partner:" + who.User
	case who.Kind == CallerNone || who.Kind == "":
		r.User = auditlog.Stranger
	case r.User == "":
		r.User = "uid:" + strconv.Itoa(who.UID)
	case who.Kind == CallerLocal && strings.Contains(r.User, ":"): // no user's name may look like one of ours
		r.User = fmt.Sprintf("uid:%d", who.UID)
	}
	return r
}

// secretProperty reports whether some resource type declares a property of this name to be secret.
func (c *Control) secretProperty(name string) bool {
	r := c.running.Load()
	if r == nil {
		return false
	}
	for _, t := range r.Source.Snapshot().State.Types {
		for _, p := range t.Properties {
			if p.Secret && strings.EqualFold(p.Name, name) {
				return true
			}
		}
	}
	return false
}
