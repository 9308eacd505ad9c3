package main

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/retry"
)

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"n": name}}
}

func pod(name string) *corev1.Pod {
	nobody, no := int64(0), false
	return &corev1.Pod{ObjectMeta: named(name), Spec: corev1.PodSpec{
		TerminationGracePeriodSeconds: &nobody, AutomountServiceAccountToken: &no,
		Containers:   []corev1.Container{{Name: "main", Image: "spiko/nanoservice:0.1.0"}},
		NodeSelector: map[string]string{"no": "where"},
	}}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"n": name}
	return &appsv1.Deployment{ObjectMeta: named(name), Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels}, Paused: true,
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod("").Spec},
	}}
}

// as is a typed client with a content type of its own.
func (w *world) as(content string) *kubernetes.Clientset {
	config := rest.CopyConfig(w.config)
	config.ContentType = content
	return kubernetes.NewForConfigOrDie(config)
}

func typed(w *world, content string) {
	c, ns := w.as(content), w.namespace
	create, get, update := metav1.CreateOptions{}, metav1.GetOptions{}, metav1.UpdateOptions{}
	configMaps := c.CoreV1().ConfigMaps(ns)
	made, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("a"), Data: map[string]string{"k": "v"}, BinaryData: map[string][]byte{"b": {0, 255}}}, create)
	say("create ConfigMap", made, err)
	_, err = configMaps.Create(w, made, create)
	say("create one that has a version", nil, err)
	_, err = configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, create)
	say("create it again", nil, err)
	_, err = configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("A_")}, create)
	say("create one of a bad name", nil, err)
	generated, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{GenerateName: "g-"}}, create)
	must(err)
	fmt.Printf("generated name: %d letters after %s\n", len(generated.Name)-2, generated.Name[:2])
	must(configMaps.Delete(w, generated.Name, metav1.DeleteOptions{}))
	made.Data["k"] = "w"
	made, err = configMaps.Update(w, made, update)
	say("update", made, err)
	made, err = configMaps.Get(w, "a", get)
	say("get", made, err)
	_, err = configMaps.Get(w, "none", get)
	say("get none", nil, err)
	list, err := configMaps.List(w, metav1.ListOptions{LabelSelector: "n"})
	say("list", list, err)

	secret, err := c.CoreV1().Secrets(ns).Create(w, &corev1.Secret{ObjectMeta: named("a"), StringData: map[string]string{"s": "t"}, Data: map[string][]byte{"d": []byte("e")}}, create)
	say("create Secret", secret, err)
	service, err := c.CoreV1().Services(ns).Create(w, &corev1.Service{ObjectMeta: named("a"), Spec: corev1.ServiceSpec{
		Selector: map[string]string{"n": "a"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}, {Name: "more", Port: 81}}}}, create)
	say("create Service", service, err)
	service.Spec.Ports[1].TargetPort = intstr.FromInt32(8081)
	service, err = c.CoreV1().Services(ns).Update(w, service, update)
	say("update Service", service, err)
	poor := pod("a")
	poor.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "N", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}}}
	made2, err := c.CoreV1().Pods(ns).Create(w, poor, create)
	say("create Pod", made2.Spec, err)
	bad := pod("b")
	bad.Spec.Containers = nil
	_, err = c.CoreV1().Pods(ns).Create(w, bad, create)
	say("create Pod without containers", nil, err)
	scaled, err := c.AppsV1().Deployments(ns).Create(w, deployment("a", 0), create)
	say("create Deployment", scaled.Spec, err)
	_, err = c.AppsV1().Deployments(ns).Create(w, &appsv1.Deployment{ObjectMeta: named("b")}, create)
	say("create empty Deployment", nil, err)
	most := intstr.FromString("50%")
	budget, err := c.PolicyV1().PodDisruptionBudgets(ns).Create(w, &policyv1.PodDisruptionBudget{ObjectMeta: named("a"), Spec: policyv1.PodDisruptionBudgetSpec{MaxUnavailable: &most}}, create)
	say("create budget", budget.Spec, err)
	who, duration, now := "me", int32(15), metav1.NowMicro()
	lease, err := c.CoordinationV1().Leases(ns).Create(w, &coordinationv1.Lease{ObjectMeta: named("a"), Spec: coordinationv1.LeaseSpec{HolderIdentity: &who, LeaseDurationSeconds: &duration, RenewTime: &now}}, create)
	say("create Lease", lease, err)
	fmt.Printf("its time is kept: %v\n", lease.Spec.RenewTime.UnixMicro() == now.UnixMicro())
	account, err := c.CoreV1().ServiceAccounts(ns).Create(w, &corev1.ServiceAccount{ObjectMeta: named("a")}, create)
	say("create ServiceAccount", account, err)
	role, err := c.RbacV1().Roles(ns).Create(w, &rbacv1.Role{ObjectMeta: named("a"), Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}}, create)
	say("create Role", role, err)
	binding, err := c.RbacV1().RoleBindings(ns).Create(w, &rbacv1.RoleBinding{ObjectMeta: named("a"), RoleRef: rbacv1.RoleRef{Kind: "Role", Name: "a"}, Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "a"}}}, create)
	say("create RoleBinding", binding, err)
	nodes, err := c.CoreV1().Nodes().List(w, metav1.ListOptions{Limit: 1})
	must(err)
	fmt.Printf("nodes: %d\n", len(nodes.Items))
	space, err := c.CoreV1().Namespaces().Get(w, ns, get)
	say("namespace", space, err)
	event, err := c.CoreV1().Events(ns).Create(w, &corev1.Event{ObjectMeta: named("a"), InvolvedObject: corev1.ObjectReference{Kind: "Pod", Name: "a", Namespace: ns}, Reason: "R", Message: "m", Type: "Normal"}, create)
	say("create Event", event, err)
	fresh, err := c.EventsV1().Events(ns).Get(w, "a", get)
	say("the same in the new spelling", fresh, err)
	say("delete", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{}))
	say("delete again", nil, configMaps.Delete(w, "a", metav1.DeleteOptions{}))
}

// conflicts: an old version is refused, and the usual loop around it ends well.
func conflicts(w *world) {
	configMaps := w.client.CoreV1().ConfigMaps(w.namespace)
	old, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("a")}, metav1.CreateOptions{})
	must(err)
	fresh := old.DeepCopy()
	fresh.Data = map[string]string{"n": "1"}
	_, err = configMaps.Update(w, fresh, metav1.UpdateOptions{})
	must(err)
	old.Data = map[string]string{"n": "2"}
	_, err = configMaps.Update(w, old, metav1.UpdateOptions{})
	say("old version", nil, err)
	old.UID, old.ResourceVersion = "other", ""
	_, err = configMaps.Update(w, old, metav1.UpdateOptions{})
	say("other UID", nil, err)
	tries := 0
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		found, err := configMaps.Get(w, "a", metav1.GetOptions{})
		must(err)
		if tries++; tries == 1 {
			found.ResourceVersion = "1"
		}
		found.Data["n"] = fmt.Sprint(tries)
		_, err = configMaps.Update(w, found, metav1.UpdateOptions{})
		return err
	})
	say("retried", tries, err)
	_, err = configMaps.Update(w, &corev1.ConfigMap{ObjectMeta: named("none")}, metav1.UpdateOptions{})
	say("update of what is not there", nil, err)
	made, err := configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("dry")}, metav1.CreateOptions{DryRun: []string{"All"}})
	say("dry run", made, err)
	_, err = configMaps.Get(w, "dry", metav1.GetOptions{})
	say("nothing came of it", nil, err)
	_, err = configMaps.Create(w, &corev1.ConfigMap{ObjectMeta: named("dry")}, metav1.CreateOptions{DryRun: []string{"Some"}})
	say("another dry run", nil, err)
}
