package main

import (
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	applyscale "k8s.io/client-go/applyconfigurations/autoscaling/v1"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
)

const protobuf = "application/vnd.kubernetes.protobuf"

// scales: of a typed client and of the polymorphic one, as autoscalers use it.
func scales(w *world) {
	defined(w)
	deployments := w.as(protobuf).AppsV1().Deployments(w.namespace)
	_, err := deployments.Create(w, deployment("a", 0), metav1.CreateOptions{})
	must(err)
	found, err := deployments.GetScale(w, "a", metav1.GetOptions{})
	say("get", found, err)
	found.Spec.Replicas, found.ResourceVersion = 2, "" // the controller writes, too
	found, err = deployments.UpdateScale(w, "a", found, metav1.UpdateOptions{})
	say("update", found.Spec, err)
	found, err = deployments.ApplyScale(w, "a", applyscale.Scale().WithSpec(applyscale.ScaleSpec().WithReplicas(3)), metav1.ApplyOptions{FieldManager: "one", Force: true})
	say("apply", found, err)
	found, err = deployments.UpdateScale(w, "a", &autoscalingv1.Scale{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Spec: autoscalingv1.ScaleSpec{Replicas: -1}}, metav1.UpdateOptions{})
	say("too few", nil, err)
	_, err = w.dynamic.Resource(things).Namespace(w.namespace).Create(w, thing("a", map[string]any{"replicas": int64(4)}), metav1.CreateOptions{})
	must(err)
	cached := memory.NewMemCacheClient(w.client.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	client, err := scale.NewForConfig(w.config, mapper, dynamic.LegacyAPIPathResolverFunc, scale.NewDiscoveryScaleKindResolver(cached))
	must(err)
	for _, each := range []schema.GroupResource{{Group: "apps", Resource: "deployments"}, things.GroupResource()} {
		found, err := client.Scales(w.namespace).Get(w, each, "a", metav1.GetOptions{})
		say("get "+each.String(), found, err)
		found.Spec.Replicas, found.ResourceVersion = 0, ""
		found, err = client.Scales(w.namespace).Update(w, each, found, metav1.UpdateOptions{})
		say("update "+each.String(), found.Spec, err)
		found, err = client.Scales(w.namespace).Patch(w, each.WithVersion("v1"), "a", types.MergePatchType, []byte(`{"spec":{"replicas":5}}`), metav1.PatchOptions{})
		say("patch "+each.String(), found, err)
		_, err = client.Scales(w.namespace).Get(w, each, "none", metav1.GetOptions{})
		say("none "+each.String(), nil, err)
	}
}

// unscheduled is a pod that no scheduler looks at.
func unscheduled(name string) *corev1.Pod {
	made := pod(name)
	made.Spec.SchedulerName = "nobody"
	return made
}

// subresources: status, binding, eviction, finalize, tokens.
func subresources(w *world) {
	c, ns := w.as(protobuf), w.namespace
	made, err := c.CoreV1().Pods(ns).Create(w, unscheduled("a"), metav1.CreateOptions{})
	must(err)
	made.Status.Conditions = append(made.Status.Conditions, corev1.PodCondition{Type: "x.y/z", Status: corev1.ConditionTrue})
	made.Spec.Containers[0].Image = "ignored"
	made, err = c.CoreV1().Pods(ns).UpdateStatus(w, made, metav1.UpdateOptions{})
	say("status", made.Spec.Containers[0].Image, err)
	made, err = c.CoreV1().Pods(ns).Patch(w, "a", types.StrategicMergePatchType, []byte(`{"status":{"conditions":[{"type":"x.y/z","status":"False"}]}}`), metav1.PatchOptions{}, "status")
	for _, each := range made.Status.Conditions {
		if each.Type == "x.y/z" {
			say("status patch", each, err)
		}
	}
	_, err = c.CoreV1().Pods(ns).Create(w, unscheduled("b"), metav1.CreateOptions{})
	must(err)
	nodes, err := c.CoreV1().Nodes().List(w, metav1.ListOptions{Limit: 1})
	must(err)
	binding := &corev1.Binding{ObjectMeta: metav1.ObjectMeta{Name: "b", Namespace: ns}, Target: corev1.ObjectReference{Kind: "Node", Name: nodes.Items[0].Name}}
	say("bind", nil, c.CoreV1().Pods(ns).Bind(w, binding, metav1.CreateOptions{}))
	err = c.CoreV1().Pods(ns).Bind(w, binding, metav1.CreateOptions{})
	fmt.Printf("bind again: refused: %v\n", errors.IsConflict(err))
	made, err = c.CoreV1().Pods(ns).Get(w, "b", metav1.GetOptions{})
	must(err)
	fmt.Printf("bound: %v\n", made.Spec.NodeName == nodes.Items[0].Name)
	least := intstr.FromInt32(1)
	_, err = c.PolicyV1().PodDisruptionBudgets(ns).Create(w, &policyv1.PodDisruptionBudget{ObjectMeta: named("c"), Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &least, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"n": "c"}}}}, metav1.CreateOptions{})
	must(err)
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "a", Namespace: ns}}
	say("evict", nil, c.PolicyV1().Evictions(ns).Evict(w, eviction))
	say("evict again", nil, c.CoreV1().Pods(ns).EvictV1(w, eviction))
	seconds := int64(3600)
	token, err := c.CoreV1().ServiceAccounts(ns).CreateToken(w, "default", &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	must(err)
	fmt.Printf("token: %v, until then: %v\n", len(token.Status.Token) > 100, token.Status.ExpirationTimestamp.After(token.CreationTimestamp.Time))
	config := rest.AnonymousClientConfig(w.config)
	config.BearerToken = token.Status.Token
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods(ns).List(w, metav1.ListOptions{})
	fmt.Printf("its account may not list: %v\n", err)
	who, err := kubernetes.NewForConfigOrDie(config).AuthenticationV1().SelfSubjectReviews().Create(w, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	must(err)
	fmt.Printf("it is %s of %v\n", who.Status.UserInfo.Username, who.Status.UserInfo.Groups)
	review, err := c.AuthenticationV1().TokenReviews().Create(w, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}, metav1.CreateOptions{})
	must(err)
	fmt.Printf("review: %v %s\n", review.Status.Authenticated, review.Status.User.Username)
	config.BearerToken = "nonsense"
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods(ns).List(w, metav1.ListOptions{})
	say("a token of nobody", nil, err)
	config.BearerToken = ""
	_, err = kubernetes.NewForConfigOrDie(config).CoreV1().Pods(ns).List(w, metav1.ListOptions{})
	say("no token", nil, err)
	space, err := c.CoreV1().Namespaces().Get(w, ns, metav1.GetOptions{})
	must(err)
	space.Status.Conditions = append(space.Status.Conditions, corev1.NamespaceCondition{Type: "Mine", Status: corev1.ConditionTrue, Message: "m"})
	space, err = c.CoreV1().Namespaces().UpdateStatus(w, space, metav1.UpdateOptions{})
	say("status of a namespace", space.Status, err)
	space, err = c.CoreV1().Namespaces().Finalize(w, space, metav1.UpdateOptions{})
	say("finalize", space.Spec, err)
}

// access: reviews as protobuf, and a user that somebody acts as.
func access(w *world) {
	c, ns := w.as(protobuf), w.namespace
	_, err := c.RbacV1().Roles(ns).Create(w, &rbacv1.Role{ObjectMeta: named("r"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods", "pods/log"}, Verbs: []string{"get", "list"}}}}, metav1.CreateOptions{})
	must(err)
	_, err = c.RbacV1().RoleBindings(ns).Create(w, &rbacv1.RoleBinding{ObjectMeta: named("r"), RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "r"}, Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "bob"}}}, metav1.CreateOptions{})
	must(err)
	config := rest.CopyConfig(w.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: "bob", Groups: []string{"g"}}
	bob := kubernetes.NewForConfigOrDie(config)
	may := func() bool {
		_, err := bob.CoreV1().Pods(ns).List(w, metav1.ListOptions{})
		return err == nil
	}
	w.until("bob may list", may)
	_, err = bob.CoreV1().ConfigMaps(ns).Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, metav1.CreateOptions{})
	say("bob may not create", nil, err)
	for _, each := range []authorizationv1.ResourceAttributes{{Namespace: ns, Verb: "get", Resource: "pods"}, {Namespace: ns, Verb: "delete", Resource: "pods"}, {Namespace: ns, Verb: "get", Resource: "pods", Subresource: "log"}} {
		own, err := bob.AuthorizationV1().SelfSubjectAccessReviews().Create(w, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &each}}, metav1.CreateOptions{})
		say("self", own, err)
		other, err := c.AuthorizationV1().SubjectAccessReviews().Create(w, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: "bob", ResourceAttributes: &each}}, metav1.CreateOptions{})
		say("other", other.Status, err)
		local, err := c.AuthorizationV1().LocalSubjectAccessReviews(ns).Create(w, &authorizationv1.LocalSubjectAccessReview{ObjectMeta: metav1.ObjectMeta{Namespace: ns}, Spec: authorizationv1.SubjectAccessReviewSpec{User: "bob", ResourceAttributes: &each}}, metav1.CreateOptions{})
		say("local", local.Status, err)
	}
	rules, err := bob.AuthorizationV1().SelfSubjectRulesReviews().Create(w, &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: ns}}, metav1.CreateOptions{})
	must(err)
	for _, each := range rules.Status.ResourceRules {
		if len(each.APIGroups) == 1 && each.APIGroups[0] == "" {
			say("rule", each, nil)
		}
	}
	path, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(w, &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/healthz", Verb: "get"}}}, metav1.CreateOptions{})
	say("path", path.Status, err)
	_, err = c.AuthorizationV1().SubjectAccessReviews().Create(w, &authorizationv1.SubjectAccessReview{}, metav1.CreateOptions{})
	say("empty", nil, err)
}
