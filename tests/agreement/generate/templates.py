"""What statements are made of: templates of operations, writes, leaves and backward passes.

`{a}` is a floating-point tensor, `{b}` and `{e}` tensors that often have its shape, `{i}` an index tensor, `{m}` a mask,
`{n}` a number, `{k}` a positive number. A template that does not fit the shapes fails when it is tried, and is dropped.
"""

from __future__ import annotations

from typing import Final

UNARY: Final = (
    "exp", "log", "sqrt", "rsqrt", "sin", "cos", "tan", "tanh", "sigmoid", "relu", "square", "reciprocal", "neg",
    "abs", "erf", "log1p", "expm1", "sinh", "cosh", "atan", "asinh", "floor", "round", "sign", "trunc",
)  # fmt: skip

ACTIVATIONS: Final = (
    "relu", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "softplus", "mish", "hardswish", "hardtanh", "relu6",
    "logsigmoid", "softsign", "tanhshrink", "hardsigmoid", "softshrink", "hardshrink",
)  # fmt: skip

ARITHMETIC: Final = (
    "{a} * {n}", "{n} * {a}", "{a} + {n}", "{n} + {a}", "{a} - {n}", "{n} - {a}", "{a} / {k}", "{k} / {a}", "-{a}",
    "{a} ** 2", "{a} ** 3", "{a} ** 0.5", "{a}.pow(2)", "2.0 ** {a}", "{a} % 2", "torch.mul({a}, {n})", "{a}.add({n})",
    "{a} + {b}", "{a} - {b}", "{a} * {b}", "{a} / {b}", "{a} * {a}", "{a} * {b} + {e}", "({a} - {b}) ** 2", "{a} ** {b}",
    "torch.add({a}, {b}, alpha=0.5)", "torch.mul({a}, {b})", "{a}.mul({b})", "{a}.sub({b})", "{a}.div({b})",
    "torch.sub({a}, {b})", "torch.div({a}, {b})", "torch.pow({a}, 2)", "torch.pow({a}, {b})", "{a} // 2", "{a}.floor_divide({k})",
    "{a} * {a}.detach()", "{a} * 2 + {b} * 3", "{a} * torch.sigmoid({b})", "{a} / {a}.sum()", "{a} - {a}.mean()",
    "{a} * 1", "{a} * 1.0", "{a}.mul({n}).add({n})", "{a} + {b}.mean()", "({a} + {b}) / 2", "{a} * {n} + {b}", "1 - {a}",
    "{a}.abs() + {k}", "({a} * {b}).relu()", "torch.exp(-{a} ** 2)", "{a} * {a} + {b} * {b}", "{a} / ({b}.abs() + {k})",
    "torch.sqrt({a} ** 2 + {k})", "{a} * ({a} > 0)", "{a} + {b}.detach()", "{a} * {b}.detach()", "+{a}", "abs({a})",
)  # fmt: skip

BINARY: Final = (
    "torch.maximum({a}, {b})", "torch.minimum({a}, {b})", "torch.atan2({a}, {b})", "torch.hypot({a}, {b})",
    "torch.lerp({a}, {b}, 0.3)", "torch.lerp({a}, {b}, {e})", "torch.addcmul({a}, {b}, {e})", "torch.logaddexp({a}, {b})",
    "torch.addcmul({a}, {b}, {e}, value=0.5)", "torch.addcdiv({a}, {b}, {e})", "torch.where({m}, {a}, {b})",
    "torch.where({a} > 0, {a}, {b})", "torch.cat([{a}, {b}])", "torch.stack([{a}, {b}])", "torch.cat([{a}, {a}])",
    "torch.stack([{a}, {b}, {e}]).sum(0)", "torch.cat(({a}, {b}), dim=-1)", "{a}.expand_as({b})", "{a}.view_as({b})",
    "torch.dot({a}, {b})", "{a}.dot({b})", "torch.outer({a}, {b})", "{a} @ {b}", "torch.matmul({a}, {b})",
    "{a}.mm({b})", "{a}.mv({b})", "torch.bmm({a}, {b})", "torch.einsum('ij,jk->ik', {a}, {b})", "{a} @ {b}.T", "{a}.T @ {b}",
    "torch.einsum('i,i->', {a}, {b})", "F.linear({a}, {b})", "F.linear({a}, {b}, {e})", "torch.addmm({a}, {b}, {e})",
    "torch.addmv({a}, {b}, {e})", "torch.baddbmm({a}, {b}, {e})", "F.cosine_similarity({a}, {b}, dim=-1)",
    "torch.cdist({a}, {b})", "torch.inner({a}, {b})", "torch.fmod({a}, {k})", "F.prelu({a}, {b})",
)  # fmt: skip

REDUCTIONS: Final = (
    "{a}.sum()", "{a}.mean()", "{a}.max()", "{a}.min()", "{a}.std()", "{a}.var()", "{a}.norm()", "{a}.prod()",
    "{a}.median()", "torch.sum({a})", "torch.mean({a})", "{a}.sum(0)", "{a}.sum(dim=-1)", "{a}.mean(-1, keepdim=True)",
    "{a}.sum(0, keepdim=True)", "{a}.mean(dim=0)", "{a}.max(0).values", "{a}.max(dim=-1)[0]", "{a}.min(-1, keepdim=True).values",
    "{a}.amax(-1)", "{a}.amin(0)", "{a}.logsumexp(-1)", "torch.logsumexp({a}, 0)", "{a}.std(0)", "{a}.var(-1)",
    "{a}.norm(dim=-1)", "{a}.norm(dim=-1, keepdim=True)", "torch.linalg.norm({a})", "torch.linalg.vector_norm({a})",
    "{a}.cumsum(0)", "{a}.cumprod(-1)", "torch.cumsum({a}, -1)", "{a}.softmax(-1)", "torch.softmax({a}, 0)",
    "F.softmax({a}, dim=-1)", "F.log_softmax({a}, dim=-1)", "{a}.log_softmax(0)", "F.normalize({a}, dim=-1)",
    "F.layer_norm({a}, {a}.shape[-1:])", "F.dropout({a}, 0.5)", "F.dropout({a}, 0.5, training=False)", "F.dropout({a}, 0.0)",
    "{a}.square().mean()", "{a}.abs().sum()", "{a}.pow(2).sum()", "{a}.exp().sum()", "({a} ** 2).mean().sqrt()",
    "{a}.nansum()", "{a}.trace()", "{a}.nan_to_num()", "{a}.prod(-1)", "{a}.diff()", "{a}.logcumsumexp(0)",
)  # fmt: skip

LOSSES: Final = (
    "F.mse_loss({a}, {b})", "F.l1_loss({a}, {b})", "F.smooth_l1_loss({a}, {b})", "F.huber_loss({a}, {b})",
    "F.binary_cross_entropy_with_logits({a}, {b})", "F.binary_cross_entropy(torch.sigmoid({a}), {m}.float())",
    "F.cross_entropy({a}, {i})", "F.cross_entropy({a}[None], torch.tensor([0]))", "F.nll_loss(F.log_softmax({a}, -1), {i})",
    "F.mse_loss({a}, {b}, reduction='none')", "F.mse_loss({a}, {b}, reduction='sum')", "F.kl_div(F.log_softmax({a}, -1), {b})",
    "nn.MSELoss()({a}, {b})", "nn.CrossEntropyLoss()({a}, {i})", "F.soft_margin_loss({a}, {b})", "F.poisson_nll_loss({a}, {b})",
)  # fmt: skip

VIEWS: Final = (
    "{a}.t()", "{a}.T", "{a}.view(-1)", "{a}.reshape(-1)", "{a}.flatten()", "{a}.unsqueeze(0)", "{a}.unsqueeze(-1)",
    "{a}.squeeze()", "{a}.expand(2, 3)", "{a}.expand(2, -1)", "{a}.narrow(0, 0, 2)", "{a}.select(0, 1)", "{a}[0]", "{a}[-1]",
    "{a}[1:]", "{a}[:2]", "{a}[:, 0]", "{a}[..., 0]", "{a}[None]", "{a}[::2]", "{a}[0, 0]", "{a}.permute(1, 0)",
    "{a}.transpose(0, 1)", "{a}.view(1, -1)", "{a}.reshape(3, -1)", "{a}.diagonal()", "{a}.contiguous()", "{a}.float()",
    "{a}.to(torch.float32)", "{a}.view_as({a})", "{a}.reshape({a}.shape)", "{a}.ravel()", "{a}.swapaxes(0, 1)", "{a}.mT",
)  # fmt: skip

COPIES: Final = (
    "{a}.clone()", "{a}.detach()", "{a}.detach().clone()", "{a}.data", "{a}.double()", "{a}.to(torch.float64)",
    "{a}.repeat(2, 1)", "{a}.flip(0)", "{a}.roll(1, 0)", "{a}.tril()", "{a}.triu(1)", "torch.diag({a})", "F.pad({a}, (1, 1))",
    "{a}[{i}]", "{a}[[0, 1]]", "{a}[{m}]", "{a}[{a} > 0]", "{a}.gather(0, {i})", "{a}.index_select(0, {i})",
    "{a}.masked_fill({m}, 0.0)", "{a}.masked_select({m})", "torch.take({a}, {i})", "{a}.index_add(0, {i}, {b})",
    "{a}.clamp(min=0)", "{a}.clamp(0, 1)", "torch.clamp({a}, max={k})", "{a}.index_fill(0, {i}, 0.0)", "{a}.repeat_interleave(2)",
    "torch.tensor_split({a}, 2)[0]", "torch.hstack([{a}, {b}])", "torch.vstack([{a}, {b}])", "{a}.type_as({b})",
    "torch.flip({a}, [0])", "torch.zeros(3).index_add(0, {i}, {a})", "{a}.new_zeros(3) + {a}", "torch.empty_like({a}).copy_({a})",
    "torch.ones_like({a}) * {a}", "torch.as_tensor({a})", "nn.Identity()({a})", "torch.where({a} > 0, {a}, torch.zeros_like({a}))",
    "torch.zeros_like({a}) + {a}", "{a}.scatter(0, {i}, {b})", "{a}.detach() * 2", "{a}.where({m}, {b})", "{a}.new_ones(3) * {a}",
)  # fmt: skip

OTHERS: Final = (
    "{a} > 0", "{a} < {b}", "{a}.argmax()", "{a}.argmax(-1)", "{a}.argsort()", "{a}.bool()", "{a} == {b}", "{a} >= 0.5",
)  # fmt: skip

MULTIPLE: Final = (
    ("{a}.max(0)", 2), ("{a}.min(-1)", 2), ("{a}.sort()", 2), ("torch.sort({a}, descending=True)", 2), ("{a}.topk(2)", 2),
    ("torch.topk({a}, 1)", 2), ("{a}.chunk(2)", 2), ("{a}.unbind()", 3), ("{a}.unbind()", 2), ("{a}.split(1)", 3),
    ("{a}.split([1, 2])", 2), ("{a}.tensor_split(2)", 2), ("torch.std_mean({a})", 2), ("torch.var_mean({a})", 2),
    ("{a}.aminmax()", 2), ("torch.cummax({a}, 0)", 2), ("{a}", 3), ("{a}.split(2)", 2), ("{a}.chunk(3)", 3),
    ("torch.linalg.qr({a})", 2), ("torch.median({a}, 0)", 2), ("torch.broadcast_tensors({a}, {b})", 2),
)  # fmt: skip

TENSOR_WRITES: Final = (
    "{a}.zero_()", "{a}.exp_()", "{a}.sqrt_()", "{a}.relu_()", "{a}.sigmoid_()", "{a}.tanh_()", "{a}.neg_()", "{a}.abs_()",
    "{a}.sin_()", "{a}.cos_()", "{a}.square_()", "{a}.reciprocal_()", "{a}.round_()", "{a}.log1p_()", "{a}.asinh_()",
    "{a}.add_({n})", "{a}.sub_({n})", "{a}.mul_({n})", "{a}.div_({k})", "{a}.pow_(2)", "{a}.fill_(0.5)", "{a}.clamp_(min=0)",
    "{a}.clamp_(0, 1)", "{a}.clamp_min_(0.1)", "{a}.add_({b})", "{a}.sub_({b})", "{a}.mul_({b})", "{a}.div_({b})",
    "{a}.copy_({b})", "{a}.add_({b}, alpha=0.5)", "{a}.addcmul_({b}, {e})", "{a}.lerp_({b}, 0.5)", "{a}.masked_fill_({m}, 0.0)",
    "{a}.index_fill_(0, {i}, 0.0)", "{a}.scatter_(0, {i}, 1.0)", "{a}.index_add_(0, {i}, {b})", "{a}.cumsum_(0)",
    "{a}.index_copy_(0, {i}, {b})", "{a}.normal_()", "{a}.uniform_()", "{a}.detach_()", "{a}.requires_grad_()",
    "{a}.erf_()", "{a}.floor_()", "{a}.tan_()", "{a}.expm1_()", "{a}.rsqrt_()", "{a}.nan_to_num_()", "{a}.clip_(0, 1)",
    "{a}.clamp_max_({k})", "{a}.fmod_({k})", "{a}.remainder_({k})", "{a}.tril_()", "{a}.triu_()", "{a}.atan2_({b})",
    "{a}.addcdiv_({b}, {e})", "{a}.scatter_add_(0, {i}, {b})", "{a}.fill_diagonal_(0.0)", "{a}.bernoulli_()", "{a}.log_()",
    "{a}.copysign_({b})", "{a}.xlogy_({b})", "{a}.sign_()", "{a}.addmm_({b}, {e})", "{a}.cosh_()", "{a}.pow_({b})",
    "{a}.lerp_({b}, {e})", "{a}.copy_({b} * 2)", "{a}.add_({b} * {e})", "{a}.mul_({b}.sigmoid())", "{a}.exponential_()",
    "{a}.cumprod_(0)", "{a}.transpose_(0, 1)", "{a}.sub_({b}, alpha={k})", "{a}.div_({b}.sum())", "{a}.hypot_({b})",
    "{a}.t_()", "{a}.squeeze_()", "{a}.unsqueeze_(0)", "{a}.masked_scatter_({m}, {b})", "{a}.index_put_(({i},), {b})",
)  # fmt: skip

AUGMENTED: Final = (
    "{a} += {n}", "{a} -= {n}", "{a} *= {n}", "{a} /= {k}", "{a} **= 2", "{a} += {b}", "{a} -= {b}", "{a} *= {b}", "{a} /= {b}",
    "{a} -= {a}.mean()", "{a} /= {a}.sum()", "{a} /= {a}.norm()", "{a} /= {a}.max()", "{a} += {a}.exp()", "{a} *= {a}",
    "{a} += {a} ** 2", "{a} *= {a}.sigmoid()", "{a} += {b} * {e}", "{a} *= {b}.sigmoid()", "{a} += {b}.detach()",
    "{a} @= {b}", "{a} //= 2", "{a} += {a}", "{a} -= {a}.max()", "{a} /= {b}.norm()", "{a} += {b}[0]", "{a} *= {a}.detach()",
    "{a} += torch.exp({b})", "{a} -= {a}.max(dim=-1, keepdim=True).values", "{a} /= {a}.sum(dim=-1, keepdim=True)",
    "{a} -= 0.1 * {b}", "{a} /= {a}.std()", "{a} += torch.relu({b})", "{a} %= 2",
)  # fmt: skip

INDEX_WRITES: Final = (
    "{a}[0] = {n}", "{a}[0] = {b}[0]", "{a}[0] += {n}", "{a}[0] *= {n}", "{a}[-1] = 0.0", "{a}[1:] = 0.0", "{a}[:2] = {b}[:2]",
    "{a}[:] = {b}", "{a}[...] = 0.0", "{a}[{i}] = 0.0", "{a}[[0, 1]] += {n}", "{a}[{m}] = 0.0", "{a}[{a} > 1] = 1.0",
    "{a}[-1] = {a}[0] * 2", "{a}[0], {a}[1] = {a}[1], {a}[0]", "{a}[1] = {a}[0] * {b}[1]", "{a}[2] = {a}[1] + {b}[0]",
    "{a}[:, 0] = {n}", "{a}[0] -= {b}[0]", "{a}[1] = {a}[0].clone() * {b}[0]", "{a}[{m}] *= 2", "{a}[0][1] = {n}",
    "{a}[0, 1] = {b}[0, 0]", "{a}[1] = {b}.sum()", "{a}[0] = torch.tanh({b}[0])",
)  # fmt: skip

FUNCTION_WRITES: Final = (
    "F.relu_({a})", "F.relu({a}, inplace=True)", "F.dropout({a}, 0.5, True, True)", "F.leaky_relu({a}, inplace=True)",
    "F.elu({a}, inplace=True)", "F.hardtanh_({a})", "nn.ReLU(inplace=True)({a})", "F.silu({a}, inplace=True)", "torch.relu_({a})",
    "torch.exp_({a})", "nn.init.zeros_({a})", "nn.init.normal_({a})", "nn.init.constant_({a}, 0.5)", "nn.init.ones_({a})",
    "torch.add({b}, 1, out={a})", "torch.mul({b}, {e}, out={a})", "torch.exp({b}, out={a})", "torch.sigmoid_({a})",
    "F.dropout({a}, 0.5, training=False, inplace=True)", "nn.Dropout(0.5, inplace=True)({a})", "F.relu6({a}, inplace=True)",
    "nn.init.xavier_uniform_({a})", "F.threshold({a}, 0.1, 0.0, inplace=True)", "torch.clamp({b}, 0, 1, out={a})",
)  # fmt: skip

ALIAS_WRITES: Final = (
    "{a}.detach().mul_({n})", "{a}.view(-1).add_({n})", "{a}[0].mul_({n})", "{a}[:2].zero_()", "{a}.T.mul_({n})",
    "{a}.reshape(-1).zero_()", "{a}.flatten().add_({n})", "{a}.expand(2, 3).add_({n})", "{a}.expand(2, 3).zero_()",
    "{a}.detach()[0] = 9.0", "{a}[{m}].mul_(2)", "{a}[[0, 1]].zero_()", "{a}.unsqueeze(0).add_(1)", "{a}.detach().copy_({b})",
    "{a}.narrow(0, 0, 1).fill_({n})", "{a}.clone().add_({n})", "{a}.diagonal().zero_()", "{a}.squeeze().add_({n})",
    "{a}.contiguous().mul_({n})", "{a}.select(0, 0).fill_({n})", "{a}[0].copy_({b}[1])", "{a}.unbind()[0].mul_({n})",
    "{a}.chunk(2)[0].add_({n})", "{a}.split(1)[0].zero_()", "{a}.detach().zero_()", "{a}.view_as({a}).sub_({n})",
)  # fmt: skip

UNSEEN_WRITES: Final = (
    "{a}.data.add_({n})", "{a}.data.mul_({k})", "{a}.data = {b}.detach()", "{a}.data = {b}.detach().clone()",
    "{a}.detach().numpy()[0] = 5.0", "{a}.data.clamp_(-0.5, 0.5)", "{a}.data[0] = 9.0", "{a}.data *= {k}", "{a}.data -= 0.1",
    "{a}.data.copy_({b})", "{a}.data.zero_()", "{a}.data.normal_()", "{a}.data += {b}.detach()", "{a}.data = {a}.data * 2",
    "{a}.data.view(-1).add_({n})", "{a}.data[:2].mul_({k})", "{a}.detach().numpy()[:] = 7.0", "{a}.data.fill_({n})",
)  # fmt: skip

INTEGER_WRITES: Final = (
    "{i}.fill_(0)", "{i} += 0", "{i}.zero_()", "{i}[0] = 1", "{m}.fill_(True)", "{m}[0] = False", "{m}.logical_not_()",
    "{i}.copy_({i})", "{m} &= True", "{i}.add_(0)", "{i} *= 0", "{m}.zero_()",
)  # fmt: skip

SHAPES: Final = ("3", "3", "3", "3", "3, 3", "3, 3", "2, 3", "2, 3", "2, 2, 3", "", "1")

LEAF_VALUES: Final = (
    "torch.rand({s})", "torch.ones({s})", "torch.randn({s})", "torch.full(({t}), 0.5)", "torch.rand({s})", "torch.zeros({s})",
)  # fmt: skip

BACKWARDS: Final = (
    "{r}.backward()", "{r}.sum().backward()", "{r}.sum().backward()", "{r}.mean().backward()",
    "{r}.backward(torch.ones_like({r}))", "{r}.backward(gradient=torch.ones_like({r}))", "{r}.sum().backward(retain_graph=True)",
    "{r}.backward(retain_graph=True)", "({r}.sum() + {s}.sum()).backward()", "({r} * {s}).sum().backward()",
    "torch.autograd.backward({r}.sum())", "torch.autograd.backward([{r}.sum(), {s}.sum()])", "({r} + {s}).mean().backward()",
    "{r}.pow(2).sum().backward()", "F.mse_loss({r}, torch.zeros_like({r})).backward()", "{r}.sum().backward(create_graph=True)",
)  # fmt: skip

GRADS: Final = (
    "({g},) = torch.autograd.grad({r}.sum(), {x})", "{g} = torch.autograd.grad({r}.sum(), {x})[0]",
    "({g},) = torch.autograd.grad({r}.sum(), {x}, create_graph=True)", "{g}, = torch.autograd.grad({r}.sum(), [{x}], retain_graph=True)",
    "({g},) = torch.autograd.grad({r}, {x}, torch.ones_like({r}))", "{g} = torch.autograd.grad({r}, {x}, retain_graph=True)[0]",
    "({g},) = torch.autograd.grad({r}.sum(), {r})", "({g},) = torch.autograd.grad({r}.pow(2).sum(), {x}, create_graph=True)",
)  # fmt: skip

GRAD_USES: Final = (
    "{x}.grad.zero_()", "{x}.grad = None", "{g} = {x}.grad", "{g} = {x}.grad.clone()", "{g} = {x}.grad * {b}", "{x}.grad.data.zero_()",
    "{x}.grad += 1", "{x}.grad.mul_(0.5)", "{g} = ({x}.grad * {b}).sum()", "nn.utils.clip_grad_norm_([{x}], 1.0)",
    "{x}.data -= 0.1 * {x}.grad", "{x}.grad.detach_()",
)  # fmt: skip

NO_GRAD_WRITES: Final = (
    "{a} -= 0.1", "{a}.add_({n})", "{a}.mul_({n})", "{a}.copy_({b})", "{a}[0] = {n}", "{a}.zero_()", "{a} *= {n}", "{a}.fill_({n})",
    "{a} -= 0.1 * {a}.grad", "{a}.clamp_(-1, 1)", "{a}.data.add_({n})", "{a}[:2].mul_({n})",
)  # fmt: skip

NUMBERS: Final = ("1", "2", "0.5", "3", "0.1", "1.0", "2.0", "-1", "0")
POSITIVE: Final = ("2", "0.5", "3", "4.0", "10")
