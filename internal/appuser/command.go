// Package appuser is the two commands by which agents run programs of an application as the application's user: scha_check_app_user says who that is, and
// redoubt run-as becomes that user. Both look at the program on this machine, in the namespaces of the caller; of the cluster they ask only the level of
// resource_security and the resource's Application_user.
package appuser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"redoubt/api/client"
	v1 "redoubt/api/v1"
	"redoubt/internal/agent"
	"redoubt/internal/cli"
	"redoubt/internal/descend"
	"redoubt/internal/execcheck"
	"redoubt/internal/fault"
	"redoubt/internal/rgm/execsec"
)

// question is what both commands are asked.
type question struct {
	resource, user, zone string
	path                 string
}

func (q *question) flags(c *cobra.Command) {
	c.Flags().StringVarP(&q.resource, "resource", "R", "", "the resource whose Application_user counts; $REDOUBT_RESOURCE if not given")
	c.Flags().StringVarP(&q.user, "username", "U", "", "the user, in place of the resource's Application_user")
	c.Flags().StringVarP(&q.zone, "zonecluster", "Z", "", "the zone cluster; there are none yet")
}

// Check is the command scha_check_app_user.
func Check(env cli.Env) *cobra.Command {
	q := question{}
	c := &cobra.Command{
		Use: "scha_check_app_user [-R RESOURCE] [-U USERNAME] [-Z ZONECLUSTER] COMMAND", Short: "Say as which user a program of an application has to run",
		Example: "redoubt scha_check_app_user -R db /opt/db/bin/server", Hidden: true, DisableFlagsInUseLine: true,
		Long: "Say on standard output as which user a program of an application has to run, by the resource's Application_user and the cluster's resource_security.\n" +
			"Warnings and errors go to standard error. With an exit status other than 0 the program must not be run.",
	}
	q.flags(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) != 1 {
			return cli.UsageErrorf("", "scha_check_app_user needs one operand, the path of a program")
		}
		q.path = args[0]
		u, err := q.choose(c, env)
		if err != nil {
			return err
		}
		fmt.Fprintln(env.Stdout, u.Name)
		return nil
	}
	return c
}

// choose asks the cluster for its rules and looks at the program.
func (q question) choose(c *cobra.Command, env cli.Env) (agent.User, error) {
	none := agent.User{}
	if q.zone != "" && q.zone != "global" {
		return none, fault.Errorf(fault.NotFound, "there is no zone cluster %s", q.zone)
	}
	if !filepath.IsAbs(q.path) {
		return none, fault.Errorf(fault.Invalid, "%q is not the absolute path of a program", q.path)
	}
	api := client.Unix(socket(c, env))
	defer api.Close()
	level, err := level(c.Context(), api)
	if err != nil {
		return none, err
	}
	user := q.user
	if resource := q.of(env); user == "" && resource != "" {
		var out []string
		err := api.Get(c.Context(), "scha_resource_get", "call", v1.SchaResourceGetCall{Operation: "APPLICATION_USER", Resource: resource}, &out)
		if err != nil {
			return none, err
		}
		if len(out) > 0 {
			user = out[0]
		}
	}
	u, warnings, err := execcheck.ChooseUser(execcheck.Question{Level: level, Path: q.path, Configured: user, Caller: os.Getuid()})
	for _, w := range warnings {
		fmt.Fprintf(env.Stderr, "redoubt: warning: %s\n", w)
	}
	return u, err
}

// of is the resource that is asked about.
func (q question) of(env cli.Env) string {
	if q.resource == "" && env.Getenv != nil {
		return env.Getenv("REDOUBT_RESOURCE")
	}
	return q.resource
}

func socket(c *cobra.Command, env cli.Env) string {
	path, _ := c.Flags().GetString("socket")
	if path == "" && env.Getenv != nil {
		path = env.Getenv("REDOUBT_SOCKET")
	}
	if path == "" {
		path = env.Socket
	}
	if path == "" {
		path = cli.DefaultSocket
	}
	return path
}

func level(ctx context.Context, api *client.Client) (execsec.Level, error) {
	var out []string
	if err := api.Get(ctx, "scha_cluster_get", "call", v1.SchaClusterGetCall{Operation: "RESOURCE_SECURITY"}, &out); err != nil {
		return execsec.Secure, err
	}
	if len(out) != 1 {
		return execsec.Secure, fault.Errorf(fault.Internal, "the daemon does not say what resource_security is")
	}
	return execsec.ParseLevel(out[0])
}

// path is that of programs that are run for an application.
const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// kept are the variables that are handed on from the caller's environment; those that begin with REDOUBT_ are too.
var kept = []string{"LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LC_NUMERIC", "LC_TIME", "LC_COLLATE", "LC_MONETARY", "TZ", "hostnames"}

// environment is what the program gets: nothing of the caller's but the allow list, and what was set on the command line.
func environment(caller, set []string, u agent.User) []string {
	home := u.Home
	if home == "" {
		home = "/"
	}
	out := []string{path, "HOME=" + home, "USER=" + u.Name, "LOGNAME=" + u.Name, "SHELL=/bin/sh"}
	for _, v := range caller {
		name, _, _ := strings.Cut(v, "=")
		if slices.Contains(kept, name) || strings.HasPrefix(name, "REDOUBT_") {
			out = append(out, v)
		}
	}
	for _, v := range set {
		name, _, given := strings.Cut(v, "=")
		if !given {
			i := slices.IndexFunc(caller, func(c string) bool { return strings.HasPrefix(c, name+"=") })
			if i < 0 {
				continue
			}
			v = caller[i]
		}
		out = slices.DeleteFunc(out, func(o string) bool { return strings.HasPrefix(o, name+"=") })
		out = append(out, v)
	}
	return out
}

// become turns this process into the program.
func become(s descend.Spec) error {
	if s.UID != 0 {
		return descend.Exec(s)
	}
	return descend.Stay(s)
}
